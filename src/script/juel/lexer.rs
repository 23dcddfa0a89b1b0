//! Words of an expression. Offsets count characters of the whole text, as `CompileError` reports them.

use crate::script::CompileError;
use serde_json::Value;

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Token {
    Number(Value),
    Text(String),
    Name(String),
    /// Operators and brackets, word operators already as their signs (`and` is `&&`, `eq` is `==`).
    Sign(&'static str),
    /// The `}` that ends the expression.
    End,
}

pub(crate) struct Lexer<'a> {
    chars: &'a [char],
    at: usize,
    after_dot: bool,
}

/// Longer signs first, so that `<=` is not read as `<`.
const SIGNS: [&str; 22] = [
    "&&", "||", "==", "!=", "<=", ">=", "<", ">", "!", "+", "-", "*", "/", "%", "?", ":", "(", ")", "[", "]", ".", ",",
];

const WORD_SIGNS: [(&str, &str); 12] = [
    ("and", "&&"),
    ("or", "||"),
    ("not", "!"),
    ("eq", "=="),
    ("ne", "!="),
    ("lt", "<"),
    ("gt", ">"),
    ("le", "<="),
    ("ge", ">="),
    ("div", "/"),
    ("mod", "%"),
    ("empty", "empty"),
];

impl<'a> Lexer<'a> {
    /// Reads from `at`, the character after `${`.
    pub(crate) fn new(chars: &'a [char], at: usize) -> Self {
        Self { chars, at, after_dot: false }
    }

    /// The next word and its offset; after `End`, [`Self::position`] is the character behind the `}`.
    pub(crate) fn next(&mut self) -> Result<(Token, usize), CompileError> {
        while self.peek(0).is_some_and(char::is_whitespace) {
            self.at += 1;
        }
        let start = self.at;
        let token = match self.peek(0) {
            None => {
                return Err(error("the expression is not closed: write } at its end", start));
            }
            Some('}') => {
                self.at += 1;
                Token::End
            }
            Some(quote @ ('\'' | '"')) => self.text(quote)?,
            Some(c) if c.is_ascii_digit() => self.number()?,
            Some('.') if self.peek(1).is_some_and(|c| c.is_ascii_digit()) && !self.after_dot => self.number()?,
            Some(c) if is_name_start(c) => self.word(),
            Some(c) => self.sign(c)?,
        };
        self.after_dot = token == Token::Sign(".");
        Ok((token, start))
    }

    pub(crate) fn position(&self) -> usize {
        self.at
    }

    fn peek(&self, ahead: usize) -> Option<char> {
        self.chars.get(self.at + ahead).copied()
    }

    fn text(&mut self, quote: char) -> Result<Token, CompileError> {
        let start = self.at;
        self.at += 1;
        let mut text = String::new();
        while let Some(c) = self.peek(0) {
            self.at += 1;
            if c == quote {
                return Ok(Token::Text(text));
            }
            if c != '\\' {
                text.push(c);
                continue;
            }
            match self.peek(0) {
                Some(escaped @ ('\\' | '\'' | '"')) => text.push(escaped),
                _ => {
                    return Err(error("after \\ in a text only \\, ' and \" may follow", self.at));
                }
            }
            self.at += 1;
        }
        Err(error(format!("the text is not closed: write {quote} at its end"), start))
    }

    fn number(&mut self) -> Result<Token, CompileError> {
        let start = self.at;
        self.digits();
        let mut whole = true;
        if self.peek(0) == Some('.') && self.peek(1).is_some_and(|c| c.is_ascii_digit()) {
            whole = false;
            self.at += 1;
            self.digits();
        }
        if matches!(self.peek(0), Some('e' | 'E')) {
            let sign = usize::from(matches!(self.peek(1), Some('+' | '-')));
            if self.peek(1 + sign).is_some_and(|c| c.is_ascii_digit()) {
                whole = false;
                self.at += 1 + sign;
                self.digits();
            }
        }
        if self.peek(0).is_some_and(is_name_start) {
            return Err(error("a name must not begin with a digit", start));
        }
        let text: String = self.chars[start..self.at].iter().collect();
        let value = if whole {
            text.parse::<i64>().ok().map(Value::from)
        } else {
            text.parse::<f64>().ok().filter(|f| f.is_finite()).map(Value::from)
        };
        value.map(Token::Number).ok_or_else(|| error(format!("the number {text} is too large"), start))
    }

    fn digits(&mut self) {
        while self.peek(0).is_some_and(|c| c.is_ascii_digit()) {
            self.at += 1;
        }
    }

    fn word(&mut self) -> Token {
        let start = self.at;
        while self.peek(0).is_some_and(|c| is_name_start(c) || c.is_numeric()) {
            self.at += 1;
        }
        let word: String = self.chars[start..self.at].iter().collect();
        if !self.after_dot
            && let Some((_, sign)) = WORD_SIGNS.iter().find(|(name, _)| *name == word)
        {
            return Token::Sign(sign);
        }
        Token::Name(word)
    }

    fn sign(&mut self, first: char) -> Result<Token, CompileError> {
        for sign in SIGNS {
            if sign.chars().enumerate().all(|(i, c)| self.peek(i) == Some(c)) {
                self.at += sign.len();
                return Ok(Token::Sign(sign));
            }
        }
        let advice = match first {
            '=' => ": write == to compare; expressions cannot assign",
            '&' => ": write && or and",
            '|' => ": write || or or",
            '{' => ": lists and maps cannot be written here",
            _ => "",
        };
        Err(error(format!("\"{first}\" is not known here{advice}"), self.at))
    }
}

fn is_name_start(c: char) -> bool {
    c.is_alphabetic() || c == '_' || c == '$'
}

fn error(message: impl Into<String>, at: usize) -> CompileError {
    CompileError::new(message, Some(at))
}
