//! Takes old history away, now and then, as long as the node runs.

use crate::runtime::node::Node;
use std::time::Duration;

/// History has days to live; an hour more is none.
const EVERY: Duration = Duration::from_secs(60 * 60);

impl Node {
    /// From now on history goes when its time is over: that of its definition, else `default_days` after its end.
    pub fn clean_history(&self, default_days: u32) {
        let node = self.clone();
        tokio::spawn(async move {
            loop {
                let begun = std::time::Instant::now();
                match node.store().sweep(node.clock().now(), default_days).await {
                    Ok(swept) => tracing::info!(
                        instances = swept.instances,
                        rows = swept.rows,
                        command_keys = swept.command_keys,
                        duration_ms = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX),
                        "old history is cleaned away"
                    ),
                    Err(error) => tracing::warn!("old history is not cleaned away: {error}"),
                }
                tokio::select! {
                    () = tokio::time::sleep(EVERY) => {}
                    () = node.stopped() => return,
                }
            }
        });
    }
}
