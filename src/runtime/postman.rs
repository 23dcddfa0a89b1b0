//! Delivers letters: looks up who gets one, and hands it to them in one transaction with its end.
//!
//! A letter stays stored until then, so that what a process said is said also when this node dies in between: whoever opens
//! the partition next delivers it.

use crate::base::id::{InstanceId, LocalId};
use crate::engine::command::Rejection;
use crate::partition::{Letter, LetterId, Target, Work};
use crate::runtime::node::{Node, SubmitError};
use crate::store::StoreError;
use std::time::Duration;

/// So many hear a signal in one transaction.
const SHARE_MAX: usize = 64;
/// The store is asked again after this pause while it is away.
const PAUSE: Duration = Duration::from_millis(250);

#[derive(Debug, thiserror::Error)]
enum Undelivered {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Submit(#[from] SubmitError),
}

impl Node {
    /// Ends when the letter is delivered, by this or by another who was told of it; or when the node stops.
    pub async fn deliver(&self, id: LetterId, letter: &Letter) {
        while !self.is_stopped() {
            match attempt(self, id, letter).await {
                Ok(()) => return,
                Err(Undelivered::Submit(SubmitError::Rejected(rejection))) => {
                    return tracing::error!("{:?} is not delivered, and kept: {rejection}", letter.name());
                }
                Err(error) => {
                    tracing::warn!("{:?} is not delivered yet: {error}", letter.name());
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
    }
}

async fn attempt(node: &Node, id: LetterId, letter: &Letter) -> Result<(), Undelivered> {
    match letter {
        Letter::Message { name, business_key, .. } => message(node, id, name, business_key.as_deref()).await,
        Letter::Signal { name, from, tenants, to, .. } => {
            let to = match to {
                Some(rest) => rest.clone(),
                None => hearers(node, name, *from, tenants.as_deref()).await?,
            };
            signal(node, id, name, to).await
        }
    }
}

/// A share of those who hear it, and a letter for the rest. Where one of the share cannot take it, whatever it says, the
/// others must not wait for that: then one alone.
async fn signal(node: &Node, id: LetterId, name: &str, to: Vec<Target>) -> Result<(), Undelivered> {
    let mut count = to.len().min(SHARE_MAX);
    loop {
        let (first, rest) = (to[..count].to_vec(), to[count..].to_vec());
        match hand_over(node, id, first, rest.clone()).await {
            Err(Undelivered::Submit(SubmitError::Rejected(_))) if count > 1 => count = 1,
            Err(Undelivered::Submit(SubmitError::Rejected(rejection))) if count == 1 => {
                tracing::error!("{:?} does not take the signal {name:?}: {rejection}", to[0]);
                return hand_over(node, id, Vec::new(), rest).await;
            }
            other => return other,
        }
    }
}

/// To the first that waits under its business key, else to the first of its name, else it starts a process; nobody there:
/// it is lost, as the standard's throw event has it.
async fn message(node: &Node, id: LetterId, name: &str, business_key: Option<&str>) -> Result<(), Undelivered> {
    let keys = [business_key, None];
    let asked = if business_key.is_some() { &keys[..] } else { &keys[1..] };
    for key in asked {
        for row in node.store().message_waiters(name, *key).await? {
            let target = waiting(row.instance, row.subscription);
            match hand_over(node, id, vec![target], Vec::new()).await {
                // It went on between the look and the command: the next one may wait still.
                Err(Undelivered::Submit(SubmitError::Rejected(
                    Rejection::NotArmed(_) | Rejection::WrongState(_) | Rejection::InstanceNotFound(_),
                ))) => {}
                other => return other,
            }
        }
    }
    let mut starts = node.store().message_starts(name).await?;
    if starts.len() > 1 {
        tracing::warn!("the message {name:?} could start {} processes, so it starts none", starts.len());
        starts.clear();
    }
    let target =
        starts.pop().map(|start| Target::Start { definition: start.key.definition, element: start.key.element });
    match hand_over(node, id, target.into_iter().collect(), Vec::new()).await {
        Err(Undelivered::Submit(SubmitError::Rejected(rejection))) => {
            tracing::warn!("the message {name:?} starts no process: {rejection}");
            hand_over(node, id, Vec::new(), Vec::new()).await
        }
        other => other,
    }
}

/// Everybody who waits for a signal, but its thrower, who has heard it; and the processes that it starts.
async fn hearers(
    node: &Node,
    name: &str,
    from: Option<InstanceId>,
    tenants: Option<&[String]>,
) -> Result<Vec<Target>, StoreError> {
    let of_tenant = |of: &str| tenants.is_none_or(|tenants| tenants.iter().any(|tenant| tenant == of));
    let waiters = node.store().signal_waiters(name).await?.into_iter();
    let waiters = waiters.filter(|row| Some(row.instance) != from && of_tenant(&row.tenant));
    let mut all: Vec<Target> = waiters.map(|row| waiting(row.instance, row.subscription)).collect();
    let starts = node.store().signal_starts(name).await?.into_iter().filter(|start| of_tenant(&start.tenant));
    all.extend(starts.map(|start| Target::Start { definition: start.key.definition, element: start.key.element }));
    Ok(all)
}

fn waiting(instance: InstanceId, subscription: LocalId) -> Target {
    Target::Waiting { instance, subscription }
}

async fn hand_over(node: &Node, letter: LetterId, to: Vec<Target>, rest: Vec<Target>) -> Result<(), Undelivered> {
    node.submit(Work::Deliver { letter, to, rest }, None, None).await?;
    Ok(())
}
