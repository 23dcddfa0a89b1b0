//! Figures of several engines, the best of each beside the others.

use std::collections::BTreeMap;

/// One figure: what it is, its value, and whether more is better.
#[derive(Clone, Debug)]
pub(crate) struct Figure {
    pub(crate) what: &'static str,
    pub(crate) value: f64,
    pub(crate) more: bool,
}

impl Figure {
    pub(crate) fn rate(what: &'static str, value: f64) -> Self {
        Self { what, value, more: true }
    }

    pub(crate) fn cost(what: &'static str, value: f64) -> Self {
        Self { what, value, more: false }
    }
}

#[derive(Debug, Default)]
pub(crate) struct Table {
    /// In the order in which they came.
    figures: Vec<(&'static str, bool)>,
    /// By engine and figure: one of each round.
    values: BTreeMap<(String, &'static str), Vec<f64>>,
}

impl Table {
    pub(crate) fn add(&mut self, engine: &str, figures: Vec<Figure>) {
        for Figure { what, value, more } in figures {
            println!("   {engine:<10} {what:<44} {value:>12.2}");
            if !self.figures.iter().any(|known| known.0 == what) {
                self.figures.push((what, more));
            }
            self.values.entry((engine.to_owned(), what)).or_default().push(value);
        }
    }

    /// The best of the rounds; `least` and `most` of ours show how much they differ.
    pub(crate) fn show(&self, engines: &[&str]) {
        print!("\n{:<44} {:>12} {:>22}", "", "transhume", "[rounds]");
        for engine in engines {
            print!(" {engine:>12} {:>8}", "ratio");
        }
        println!();
        for (what, more) in &self.figures {
            let ours = self.of("transhume", what);
            let Some(best) = best(&ours, *more) else { continue };
            let rounds: Vec<String> = ours.iter().map(|value| format!("{value:.1}")).collect();
            print!("{what:<44} {best:>12.1} {:>22}", format!("[{}]", rounds.join(", ")));
            for engine in engines {
                match self::best(&self.of(engine, what), *more) {
                    Some(theirs) => {
                        let ratio = if *more { best / theirs } else { theirs / best };
                        print!(" {theirs:>12.1} {:>8}", format!("{ratio:.1}x"));
                    }
                    None => print!(" {:>12} {:>8}", "-", "-"),
                }
            }
            println!();
        }
    }

    fn of(&self, engine: &str, what: &'static str) -> Vec<f64> {
        self.values.get(&(engine.to_owned(), what)).cloned().unwrap_or_default()
    }
}

fn best(values: &[f64], more: bool) -> Option<f64> {
    let values = values.iter().copied();
    if more { values.reduce(f64::max) } else { values.reduce(f64::min) }
}
