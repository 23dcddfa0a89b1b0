//! The Java program with the other engines: found, built once, started for each workload on a fresh database.

use std::env;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;

use super::load::Failure;
use super::load::clients::Workload;
use super::load::settings::{Settings, number};
use super::load::support::binary::copy;
use super::load::support::need::program;
use super::load::support::postgres::loopback_database;
use super::ours::names;
use super::table::Figure;

pub(crate) struct Peers {
    java: PathBuf,
    jar: PathBuf,
    engines: Vec<&'static str>,
    seconds: u64,
    times: usize,
}

impl Peers {
    /// The program, built where it is not yet; the reason where it cannot be.
    pub(crate) fn find(settings: &Settings) -> Result<Self, String> {
        let folder = env::var_os("BENCH_PEERS")
            .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/peers"), PathBuf::from);
        let java = program("java", &[]).ok_or("Java 17 is not installed")?;
        if !folder.join("pom.xml").is_file() {
            return Err(format!("{} has no pom.xml; name the folder in BENCH_PEERS", folder.display()));
        }
        let built = folder.join("target/peers.jar");
        let jar = if built.is_file() { built } else { build(&folder)? };
        let all = ["camunda", "flowable"];
        let engines = all.into_iter().filter(|engine| settings.wants(&all, engine)).collect();
        Ok(Self { java, jar, engines, seconds: settings.span.as_secs().max(1), times: settings.times })
    }

    pub(crate) fn engines(&self) -> Vec<&'static str> {
        self.engines.clone()
    }

    /// Figures of one workload; none where PostgreSQL is absent.
    pub(crate) async fn run(&self, engine: &str, workload: &str) -> Result<Option<Vec<Figure>>, Failure> {
        let Some(address) = loopback_database("side by side").await else { return Ok(None) };
        let warm_up = number("BENCH_WARMUP", 120);
        let option = |name: &str, value: String| [format!("--{name}"), value];
        let name = format!("W{}", workload.trim_start_matches('w'));
        let mut options = vec![option("warmup", warm_up.to_string()), option("reps", self.times.to_string())];
        match workload {
            "w6a" => {
                options =
                    vec![option("count", number("BENCH_WAITING", 20_000).to_string()), option("clients", "4".into())];
            }
            "w6b" => {
                options =
                    vec![option("count", number("BENCH_TIMERS", 20_000).to_string()), option("clients", "4".into())];
            }
            "w6c" => {
                options.push(option("width", number("BENCH_WIDTH", 1_000).to_string()));
                // Their best: more workers meet more conflicts.
                options.push(option("clients", "1".into()));
            }
            _ => {
                options.push(option("seconds", self.seconds.to_string()));
                options.push(option("warmup-full", (warm_up / 4).max(2).to_string()));
                options.push(option("probe", (self.seconds / 3).max(2).to_string()));
                options.push(option("clients", "1,8,16".into()));
            }
        }
        let threads = if engine == "flowable" && workload == "w5" { "8" } else { "4" };
        options.push(option("job-threads", threads.into()));
        let lines = self.start(engine, &name, &address, options.as_flattened())?;
        Ok(Some(figures(workload, &lines)))
    }

    fn start(&self, engine: &str, workload: &str, address: &str, options: &[String]) -> Result<Vec<Value>, Failure> {
        let place = address.rsplit_once('@').ok_or("an address has a user")?.1;
        let url = format!("jdbc:postgresql://{place}?user=postgres");
        let mut command = Command::new(&self.java);
        command.args(["-XX:+UseParallelGC", "-Xms2g", "-Xmx2g", "-jar"]).arg(&self.jar);
        command.args(["--engine", engine, "--workload", workload, "--db", &url]).args(options);
        let output = command.stdin(Stdio::null()).stderr(Stdio::inherit()).output()?;
        if !output.status.success() {
            return Err(format!("{engine}, {workload}: {}", output.status).into());
        }
        let text = String::from_utf8_lossy(&output.stdout);
        Ok(text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect())
    }
}

/// In a copy: the folder itself may be read-only.
fn build(folder: &Path) -> Result<PathBuf, String> {
    let maven = program("mvn", &[]).ok_or("it is not built, and Maven is not installed")?;
    let own = Path::new(env!("CARGO_TARGET_TMPDIR")).join("peers");
    let jar = own.join("target/peers.jar");
    if jar.is_file() {
        return Ok(jar);
    }
    println!("Maven builds the peers in {}", own.display());
    copy(folder, &own).map_err(|error| format!("{}: {error}", own.display()))?;
    let built = Command::new(maven).args(["-q", "-B", "package"]).current_dir(&own).output();
    let built = built.map_err(|error| format!("Maven: {error}"))?;
    match built.status.success() {
        true => Ok(jar),
        false => Err(format!("Maven does not build them: {}", String::from_utf8_lossy(&built.stdout).trim())),
    }
}

/// The best of the measured windows: the virtual machine is still warming in the first.
fn figures(workload: &str, lines: &[Value]) -> Vec<Figure> {
    let of = |phase: &str, field: &str| -> Vec<f64> {
        let lines = lines.iter().filter(|line| line["phase"] == phase);
        lines.filter_map(|line| line[field].as_f64()).collect()
    };
    let most = |values: Vec<f64>| values.into_iter().reduce(f64::max);
    let least = |values: Vec<f64>| values.into_iter().reduce(f64::min);
    let found = match workload {
        "w6a" => vec![
            most(of("create", "created_per_s")).map(|value| Figure::rate("w6a created/s", value)),
            least(of("create", "bytes_per_instance")).map(|value| Figure::cost("w6a bytes each on disk", value)),
        ],
        "w6b" => {
            vec![least(of("timers", "seconds_to_last")).map(|value| Figure::cost("w6b s until the last timer", value))]
        }
        "w6c" => vec![least(of("wave", "wave_s")).map(|value| Figure::cost("w6c ms for the wave", value * 1e3))],
        closed => {
            let Some(workload) = Workload::ALL.into_iter().find(|one| one.model() == closed) else { return Vec::new() };
            let field = if workload == Workload::W5 { "durable_commands_per_s" } else { "instances_per_s" };
            let alone = lines.iter().filter(|line| line["clients"] == 1 && line["phase"] != "warmup");
            let alone = alone.filter_map(|line| line[field].as_f64()).collect();
            let [rate, one] = names(workload);
            vec![
                most(of("measure", field)).map(|value| Figure::rate(rate, value)),
                most(alone).map(|value| Figure::rate(one, value)),
            ]
        }
    };
    found.into_iter().flatten().collect()
}
