//! The demo's outside world on loopback: counterparts that speak the real protocols, under the demo's clock.
//!
//! | File | Speaks | As |
//! |---|---|---|
//! | [`vcenter`] | SOAP vim25 | two vCenters: the source with the paper's 25 servers, an empty target |
//! | [`softlayer`] | REST v3.1 | orders that take their hours, VLANs, tickets, cancellation; a log of orders really placed |
//! | [`vr`] | REST v2 | replications over one link, by the paper's transfer law |
//! | [`gateway`] | SSH | a router's command line: compare, commit-confirm, confirm, save |
//! | [`smtp`] | SMTP | a sink that keeps each mail once, as a file |
//! | [`calls`] | | the log of what was done at servers and replications |
//!
//! Durations pass under the clock that the caller gives; each request holds its guard, so the clock stands meanwhile.

mod calls;
mod gateway;
mod httpd;
mod smtp;
mod softlayer;
mod vcenter;
mod vr;
mod world;

use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use aws_lc_rs::rand;
use data_encoding::HEXLOWER;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::base::time::Timestamp;
use crate::handlers::net::Allow;
use crate::handlers::{Connection, Connections, Kind, Secrets};
use world::World;

pub use calls::Call;
pub use smtp::Mail;

/// Holds the clock still until it is dropped.
pub type Guard = Box<dyn std::any::Any + Send>;

pub trait CounterpartClock: Send + Sync {
    fn now(&self) -> Timestamp;
    fn guard(&self) -> Guard;
}

pub type Clock = Arc<dyn CounterpartClock>;

const HOUR: i64 = 3_600_000;
const MINUTE: i64 = 60_000;

/// Name of the user in every counterpart.
const USER: &str = "demo";

#[derive(Clone, Debug)]
pub struct Options {
    pub durations: Durations,
    pub transfer: Transfer,
    pub failures: Failures,
    pub on_premise: OnPremise,
}

/// What takes its time, in milliseconds of the clock: the maxima of the paper's Table II.
#[derive(Clone, Debug)]
pub struct Durations {
    pub gateway: i64,
    pub vlan: i64,
    pub host: i64,
    pub virtual_server: i64,
    pub ticket: i64,
    /// A VLAN's routes on the gateway.
    pub attach: i64,
    /// From the order to stop a guest until it is off.
    pub shutdown: i64,
    /// From power on until the guest's tools answer.
    pub boot: i64,
}

/// The paper's transfer law: a fixed part, then one link that all servers share.
#[derive(Clone, Debug)]
pub struct Transfer {
    pub fixed_ms: i64,
    pub ms_per_gb: f64,
    /// Of a disk's size, what is really sent at first.
    pub sent_share: f64,
    /// Of a disk's size, what has changed when the last delta is asked for.
    pub delta_share: f64,
}

#[derive(Clone, Debug, Default)]
pub struct Failures {
    /// Every order of a host is refused.
    pub order_rejected: bool,
    /// IKE never comes up.
    pub tunnel_down: bool,
    /// The database servers are switched on at the target and never answer there.
    pub partial_recovery: bool,
    /// So many orders are placed without an answer.
    pub lost_answers: u32,
}

/// When the customer's half of the tunnel is in place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnPremise {
    /// When somebody says so: [`Counterparts::confirm_on_premise`].
    WhenConfirmed,
    /// So many milliseconds after the cloud side's first commit.
    After(i64),
}

impl Default for Options {
    fn default() -> Self {
        Self {
            durations: Durations::default(),
            transfer: Transfer::default(),
            failures: Failures::default(),
            on_premise: OnPremise::After(0),
        }
    }
}

impl Default for Durations {
    fn default() -> Self {
        Self {
            gateway: 8 * HOUR,
            vlan: 4 * HOUR,
            host: 4 * HOUR,
            virtual_server: 30 * MINUTE,
            ticket: 4 * HOUR,
            attach: 0,
            shutdown: 0,
            boot: 0,
        }
    }
}

impl Default for Transfer {
    /// 25 servers, 750 GB of disk, 271.3 GB sent, 4:10:25 in all, of which 72.6 min are fixed. The last delta takes two of
    /// the five minutes of Table IV's cutover (about 3 GB); three are left for stop and start.
    fn default() -> Self {
        let (fixed_ms, whole_ms, sent_gb, disk_gb) = (4_356_000, 15_025_000, 271.3, 750.0);
        let ms_per_gb = f64::from(whole_ms - fixed_ms) / sent_gb;
        let delta_gb = 120_000.0 / ms_per_gb;
        Self {
            fixed_ms: i64::from(fixed_ms),
            ms_per_gb,
            sent_share: sent_gb / disk_gb,
            delta_share: delta_gb / disk_gb,
        }
    }
}

/// The running counterparts. They stop when this is dropped or shut down.
pub struct Counterparts {
    pub vcenter_source_url: String,
    pub vcenter_target_url: String,
    pub softlayer_url: String,
    pub vr_url: String,
    pub gateway_address: SocketAddr,
    /// As `ssh-ed25519 AAAA…`.
    pub gateway_host_key: String,
    pub smtp_address: SocketAddr,
    world: Arc<World>,
    stop: CancellationToken,
    tasks: TaskTracker,
}

impl Counterparts {
    /// Starts all on free ports of loopback, with the state that `data` holds.
    pub async fn start(data: &Path, clock: Clock, options: Options) -> io::Result<Self> {
        let world = Arc::new(World::open(data, clock, options, password()?)?);
        let stop = CancellationToken::new();
        let tasks = TaskTracker::new();
        let serve = |router| httpd::serve(router, stop.clone(), tasks.clone());
        let source = serve(vcenter::router(world.clone(), vcenter::Side::Source)).await?;
        let target = serve(vcenter::router(world.clone(), vcenter::Side::Target)).await?;
        let softlayer = serve(softlayer::router(world.clone())).await?;
        let vr = serve(vr::router(world.clone())).await?;
        let (gateway_address, gateway_host_key) = gateway::serve(world.clone(), stop.clone(), tasks.clone()).await?;
        let smtp_address = smtp::serve(world.clone(), stop.clone(), tasks.clone()).await?;
        Ok(Self {
            vcenter_source_url: format!("http://{source}/sdk"),
            vcenter_target_url: format!("http://{target}/sdk"),
            softlayer_url: format!("http://{softlayer}/rest/v3.1"),
            vr_url: format!("http://{vr}/api/rest/vr/v2"),
            gateway_address,
            gateway_host_key,
            smtp_address,
            world,
            stop,
            tasks,
        })
    }

    /// How handlers reach all of this, under the names that the models use.
    pub fn connections(&self) -> Connections {
        let to = |name: &str, kind: Kind, address: String| {
            let mut connection = Connection::new(name, kind, address);
            connection.user = Some(USER.to_owned());
            connection.secret = Some("secret://demo-password".to_owned());
            connection.allow = Allow { loopback: true, ..Allow::default() };
            connection
        };
        let mut vr = to("vr", Kind::Vr, self.vr_url.clone());
        let transfer = &self.world.options.transfer;
        vr.options = [
            ("fixedSeconds".to_owned(), (transfer.fixed_ms as f64 / 1000.0).to_string()),
            ("secondsPerGb".to_owned(), (transfer.ms_per_gb / 1000.0).to_string()),
        ]
        .into();
        let mut gateway = to("gateway", Kind::Gateway, self.gateway_address.to_string());
        gateway.host_keys = vec![self.gateway_host_key.clone()];
        let mut smtp = to("smtp", Kind::Smtp, self.smtp_address.to_string());
        smtp.user = None;
        smtp.options = [
            ("from", "Cloud Migration Orchestrator <cmo@demo.example>"),
            ("security", "none"),
            ("groupDomain", "customer.example"),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into();
        let all = vec![
            to("vcenter-source", Kind::Vcenter, self.vcenter_source_url.clone()),
            to("vcenter-target", Kind::Vcenter, self.vcenter_target_url.clone()),
            to("softlayer", Kind::Softlayer, self.softlayer_url.clone()),
            vr,
            gateway,
            smtp,
        ];
        Connections::new(all).expect("loopback connections are complete")
    }

    /// The secrets that those connections name, and the tunnel's key, for this tenant too.
    pub fn secrets(&self, tenant: &str) -> Secrets {
        let mut secrets = Secrets::default();
        secrets.set("", "demo-password", self.world.password.clone());
        for tenant in ["", tenant] {
            secrets.set(tenant, "vpn-psk", format!("psk-{}", self.world.password));
            secrets.set(tenant, "host-user", format!("root:{}", self.world.password));
            secrets.set(tenant, "host-password", self.world.password.clone());
        }
        secrets
    }

    /// The customer's network lead has configured the on-premise half.
    pub fn confirm_on_premise(&self) -> io::Result<()> {
        self.world.change(|state, now| {
            state.gateway.on_premise.get_or_insert(now);
        })
    }

    /// Every service forgets who is signed in, as after its restart.
    pub fn forget_sessions(&self) {
        self.world.end_all_sessions();
    }

    /// The mails that arrived, oldest first.
    pub fn mails(&self) -> io::Result<Vec<Mail>> {
        smtp::mails(self.world.folder())
    }

    /// What was done at servers and replications, oldest first.
    pub fn calls(&self) -> io::Result<Vec<Call>> {
        calls::read(self.world.folder())
    }

    pub async fn shutdown(self) {
        self.stop.cancel();
        self.tasks.close();
        self.tasks.wait().await;
    }
}

impl Drop for Counterparts {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

fn password() -> io::Result<String> {
    let mut bytes = [0; 16];
    rand::fill(&mut bytes).map_err(|_| io::Error::other("the system gives no random bytes"))?;
    Ok(HEXLOWER.encode(&bytes))
}
