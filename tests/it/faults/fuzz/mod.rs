//! L11: whatever comes in gives an answer: no panic, and with `FUZZ_SECONDS` no second of the processor and no 64 MB for one input.
//!
//! An input that ever failed stands in `tests/corpus/TARGET` and is run first by every run. Inputs that are answered in a
//! new way are changed further. `FUZZ_SECONDS` is the time of each target, `FUZZ_SEED` repeats a run.

mod life;
mod measure;
mod mutate;
mod rest;
mod seeds;
mod targets;
mod words;

use std::collections::BTreeSet;
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::number;
use crate::support::say::say;
use measure::{CPU_MAX, Cost, MEMORY_MAX, Watch};
use mutate::Mutator;

/// Without `FUZZ_SECONDS` so many inputs, from one seed.
const INPUTS: usize = 60;
const POOL_MAX: usize = 3_000;
/// Of failures so many are told; each is kept.
const FAILURES_MAX: usize = 5;
const SHRINKS_MAX: usize = 300;

/// What takes inputs.
trait Target {
    /// Also the folder of its corpus.
    fn name(&self) -> &'static str;
    fn seeds(&self) -> Vec<Vec<u8>>;
    /// More of them, in runs that take their time. What comes of them belongs to others, and is kept outside of the sources.
    fn foreign(&self) -> Vec<Vec<u8>> {
        Vec::new()
    }
    fn words(&self) -> Vec<&'static str>;
    /// How many inputs a short run has, measured in inputs of cheap targets.
    fn share(&self) -> usize {
        1
    }
    /// In what way it is answered; an error is a failure of ours. A panic is one too.
    fn take(&mut self, input: &[u8]) -> Result<String, String>;
}

fn corpus(target: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus").join(target)
}

fn kept(target: &str) -> Vec<Vec<u8>> {
    let Ok(folder) = fs::read_dir(corpus(target)) else { return Vec::new() };
    let mut files: Vec<PathBuf> = folder.filter_map(|entry| Some(entry.ok()?.path())).collect();
    files.sort();
    files.iter().map(|file| fs::read(file).expect("it is readable")).collect()
}

/// Where failures of others' models are kept.
fn aside(target: &str) -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join("corpus").join(target)
}

fn keep(folder: &Path, input: &[u8]) -> PathBuf {
    let hash = input
        .iter()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3));
    fs::create_dir_all(folder).expect("the corpus has a folder");
    let file = folder.join(format!("{hash:016x}"));
    fs::write(&file, input).expect("it is kept");
    file
}

struct Run<'t> {
    target: &'t mut dyn Target,
    /// Where failures are kept.
    folder: PathBuf,
    /// Looks after inputs that do not end, where runs are measured.
    watch: Option<Watch>,
    inputs: usize,
    failures: Vec<String>,
    ways: BTreeSet<String>,
}

impl Run<'_> {
    /// In what way an input is answered, or why that is a failure.
    fn one(&mut self, input: &[u8]) -> Result<String, String> {
        self.inputs += 1;
        self.watch.iter().for_each(|watch| watch.begin(&self.folder, input));
        let before = self.watch.is_some().then(Cost::now);
        let taken = catch_unwind(AssertUnwindSafe(|| self.target.take(input)));
        let cost = before.map(Cost::since);
        self.watch.iter().for_each(Watch::end);
        let way = taken.unwrap_or_else(|panic| {
            let text = panic.downcast_ref::<String>().cloned();
            let text = text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
            Err(format!("a panic: {}", text.unwrap_or_default()))
        })?;
        match cost {
            Some(cost) if cost.cpu > CPU_MAX => Err(format!("{} ms of the processor", cost.cpu.as_millis())),
            Some(cost) if cost.memory > MEMORY_MAX => Err(format!("{} MB", cost.memory >> 20)),
            Some(_) | None => Ok(way),
        }
    }

    fn judge(&mut self, input: &[u8]) -> bool {
        match self.one(input) {
            Ok(way) => self.ways.insert(way),
            // Another test may have been at work beside it: only what happens again is told.
            Err(_) if self.one(input).is_ok() => false,
            Err(why) => {
                let small = self.shrunk(input);
                let file = keep(&self.folder, &small);
                self.failures.push(format!("{}: {why}", file.display()));
                false
            }
        }
    }

    /// Parts are left out as long as it still fails.
    fn shrunk(&mut self, input: &[u8]) -> Vec<u8> {
        let mut small = input.to_vec();
        let mut size = small.len() / 2;
        let mut tries = 0;
        while size > 0 && tries < SHRINKS_MAX {
            let mut at = 0;
            while at < small.len() && tries < SHRINKS_MAX {
                let mut shorter = small.clone();
                shorter.drain(at..(at + size).min(small.len()));
                tries += 1;
                if self.one(&shorter).is_err() { small = shorter } else { at += size }
            }
            size /= 2;
        }
        small
    }
}

fn fuzz(target: &mut dyn Target) {
    let seconds = number("FUZZ_SECONDS").map(Duration::from_secs);
    let fresh = if seconds.is_some() { super::seed() } else { 1 };
    let seed = number("FUZZ_SEED").unwrap_or(fresh);
    let (name, words) = (target.name(), target.words());
    let (mut pool, kept) = (target.seeds(), kept(name));
    let most = INPUTS * target.share();
    let foreign = if seconds.is_some() { target.foreign() } else { Vec::new() };
    let folder = corpus(name);
    let mut run = Run {
        target,
        folder,
        watch: seconds.map(|_| Watch::over(name)),
        inputs: 0,
        failures: vec![],
        ways: BTreeSet::new(),
    };
    let mut random = Mutator::new(seed);
    let begun = Instant::now();
    for input in kept.iter().chain(&pool.clone()) {
        run.judge(input);
    }
    let fixed = run.inputs;
    let goes_on = |run: &Run<'_>| match seconds {
        Some(time) => begun.elapsed() < time,
        None => run.inputs < fixed + most,
    };
    while goes_on(&run) && run.failures.len() < FAILURES_MAX {
        // The second half of the time is for what others have written.
        if !foreign.is_empty() && run.folder == corpus(name) && seconds.is_some_and(|time| begun.elapsed() > time / 2) {
            run.folder = aside(name);
            pool.extend(foreign.iter().cloned());
        }
        let input = random.make(&pool, &words);
        if run.judge(&input) && pool.len() < POOL_MAX {
            pool.push(input);
        }
    }
    let Run { inputs, failures, ways, .. } = run;
    if seconds.is_some() || !failures.is_empty() {
        say(format!(
            "fuzz {name}: {inputs} inputs, {} of them kept ones, answered in {} ways, {} failed, FUZZ_SEED={seed}",
            kept.len(),
            ways.len(),
            failures.len()
        ));
    }
    assert!(failures.is_empty(), "fuzz {name}, FUZZ_SEED={seed}:\n{}", failures.join("\n"));
}

/// The words of an answer without what is of this input alone: numbers, quoted texts, anything beyond its beginning.
fn way(words: &str) -> String {
    let mut out = String::new();
    let mut quote = None;
    for letter in words.chars() {
        match quote {
            Some(end) if letter == end => quote = None,
            Some(_) => {}
            None if matches!(letter, '"' | '`') => quote = Some(letter),
            None if letter.is_ascii_digit() => {}
            None => out.push(letter),
        }
        if out.len() > 80 {
            break;
        }
    }
    out
}

macro_rules! targets {
    ($($name:ident = $target:expr),* $(,)?) => {
        $(#[test]
        fn $name() {
            fuzz(&mut $target);
        })*
    };
}

targets! {
    xml = targets::Xml,
    models = life::Models,
    expressions = targets::Expressions,
    feel = targets::FeelTexts,
    decisions = targets::Decisions,
    scripts = targets::Scripts,
    timers = targets::Timers,
    documents = targets::Documents::default(),
    requests = rest::Requests::start(false),
    deployments = rest::Requests::start(true),
}
