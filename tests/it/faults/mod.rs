//! The fault programme (`tests/faults`): real processes on real databases, killed, paused and cut off under load, and judged by what
//! their clients know. Here a little of each; the programme runs them at length.

mod desk;
mod disk;
mod fleet;
mod fuzz;
mod history;
mod kill;
mod load;
mod nodes;
mod pairs;
mod patroni;
mod planted;
mod server;
mod soak;

/// A number of the environment, such as `KILL_ROUNDS`.
fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

/// The seed of a run: `KILL_SEED` repeats its moments.
fn seed() -> u64 {
    let fresh = std::time::SystemTime::now().duration_since(std::time::SystemTime::UNIX_EPOCH);
    number("KILL_SEED").unwrap_or_else(|| fresh.map_or(1, |since| u64::from(since.subsec_nanos())))
}

/// SplitMix64: moments that look random and repeat by their seed.
fn mix(seed: u64) -> u64 {
    let mut z = seed.wrapping_add(0x9E37_79B9_7F4A_7C15);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

/// The memory of a process, in bytes, where the system says it.
fn resident(process: u32) -> Option<u64> {
    let told = std::fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = told.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.split_whitespace().next()?.parse::<u64>().ok().map(|kilobytes| kilobytes << 10)
}
