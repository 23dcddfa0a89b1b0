//! Inputs that are nearly right: seeds with bytes turned, words put in, parts cut, doubled, moved, nested and joined.

use crate::faults::mix;

/// Longer inputs meet nothing but the limits, which have tests of their own.
const BYTES_MAX: usize = 48 * 1024;
const CHANGES_MAX: u64 = 6;
/// Deeper than any limit on nesting.
const NESTED_MAX: u64 = 400;
const NUMBERS: [&str; 12] =
    ["0", "-1", "1", "2147483648", "-2147483649", "9223372036854775808", "1e308", "NaN", "0.1", "00", "1e-400", "255"];

pub(super) struct Mutator {
    state: u64,
}

impl Mutator {
    pub(super) fn new(seed: u64) -> Self {
        Self { state: mix(seed) }
    }

    pub(super) fn below(&mut self, bound: u64) -> u64 {
        self.state = mix(self.state);
        self.state % bound.max(1)
    }

    fn place(&mut self, length: usize) -> usize {
        usize::try_from(self.below(length as u64 + 1)).expect("within a slice")
    }

    pub(super) fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        let last = from.len().checked_sub(1).expect("something to pick from");
        &from[self.place(last)]
    }

    /// One of the pool, changed a few times.
    pub(super) fn make(&mut self, pool: &[Vec<u8>], words: &[&str]) -> Vec<u8> {
        let mut input = self.pick(pool).clone();
        for _ in 0..=self.below(CHANGES_MAX) {
            self.change(&mut input, pool, words);
            input.truncate(BYTES_MAX);
        }
        input
    }

    fn change(&mut self, input: &mut Vec<u8>, pool: &[Vec<u8>], words: &[&str]) {
        match self.below(12) {
            0 if !input.is_empty() => {
                let at = self.place(input.len() - 1);
                input[at] ^= 1 << self.below(8);
            }
            1 => self.insert(input, &[]),
            2 | 3 => {
                let word = self.pick(words).as_bytes().to_vec();
                self.insert(input, &word);
            }
            4 => {
                let (from, to) = self.span(input);
                input.drain(from..to);
            }
            5 => {
                let (from, to) = self.span(input);
                let part = input[from..to].to_vec();
                self.insert(input, &part);
            }
            6 => {
                let at = self.place(input.len());
                input.truncate(at);
            }
            7 => {
                let other = self.pick(pool).clone();
                let (from, to) = self.span(&other);
                self.insert(input, &other[from..to]);
            }
            8 => self.nest(input, words),
            9 => self.replace_number(input),
            10 => self.swap_quoted(input, words),
            _ => self.element(input),
        }
    }

    /// This, or a byte of chance.
    fn insert(&mut self, input: &mut Vec<u8>, part: &[u8]) {
        let at = self.place(input.len());
        let byte = [u8::try_from(self.below(256)).expect("a byte")];
        let part = if part.is_empty() { &byte[..] } else { part };
        input.splice(at..at, part.iter().copied());
    }

    /// Mostly a short one.
    fn span(&mut self, input: &[u8]) -> (usize, usize) {
        let from = self.place(input.len());
        let most = if self.below(4) == 0 { input.len() - from } else { (input.len() - from).min(24) };
        (from, from + self.place(most))
    }

    fn nest(&mut self, input: &mut Vec<u8>, words: &[&str]) {
        let brackets =
            [("(", ")"), ("[", "]"), ("{", "}"), ("${", "}"), ("<a>", "</a>"), ("-", ""), ("!", ""), ("not(", ")")];
        let (open, close) = *self.pick(&brackets);
        let open = if self.below(6) == 0 { *self.pick(words) } else { open };
        let times = usize::try_from(1 + self.below(NESTED_MAX)).expect("few");
        let at = self.place(input.len());
        let mut tail = input.split_off(at);
        input.extend(open.repeat(times).bytes());
        let inner = self.place(tail.len().min(16));
        let rest = tail.split_off(inner);
        input.extend(tail);
        input.extend(close.repeat(times).bytes());
        input.extend(rest);
    }

    fn replace_number(&mut self, input: &mut Vec<u8>) {
        let at = self.place(input.len());
        let Some(from) = input[at..].iter().position(u8::is_ascii_digit).map(|skip| at + skip) else { return };
        let to = from + input[from..].iter().take_while(|byte| byte.is_ascii_digit()).count();
        let number = self.pick(&NUMBERS).bytes();
        input.splice(from..to, number);
    }

    /// A quoted text becomes another one of the input, or a word.
    fn swap_quoted(&mut self, input: &mut Vec<u8>, words: &[&str]) {
        let quotes: Vec<usize> = (0..input.len()).filter(|at| input[*at] == b'"').collect();
        if quotes.len() < 4 {
            return;
        }
        let one = self.place(quotes.len() / 2 - 1) * 2;
        let other = self.place(quotes.len() / 2 - 1) * 2;
        let text = match self.below(3) {
            0 => self.pick(words).as_bytes().to_vec(),
            _ => input[quotes[other] + 1..quotes[other + 1]].to_vec(),
        };
        input.splice(quotes[one] + 1..quotes[one + 1], text);
    }

    /// A tag goes, comes twice, or moves.
    fn element(&mut self, input: &mut Vec<u8>) {
        let at = self.place(input.len());
        let Some(from) = input[at..].iter().position(|byte| *byte == b'<').map(|skip| at + skip) else { return };
        let Some(length) = input[from..].iter().position(|byte| *byte == b'>') else { return };
        let tag = input[from..=from + length].to_vec();
        match self.below(3) {
            0 => drop(input.drain(from..=from + length)),
            1 => drop(input.splice(from..from, tag)),
            _ => {
                input.drain(from..=from + length);
                self.insert(input, &tag);
            }
        }
    }
}
