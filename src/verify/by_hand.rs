//! Tokens moved by hand, at random: the oracle follows each modification that is done, and one that is rejected has changed
//! nothing.

use super::Told;
use super::oracle::Oracle;
use crate::base::id::{ElementId, InstanceId, ROOT_SCOPE, TokenId};
use crate::base::time::Timestamp;
use crate::engine::command::{Command, Doomed, Instruction, Placing};
use crate::engine::execute::{Context, execute};
use crate::engine::instance::{Instance, Wait};
use crate::engine::testing::{definition, draw};

const MODELS: [&str; 4] = [
    "start > A:user > sub(s > B:user > inner(s2 > C:user > e2:end) > e1:end) > D:user > end",
    "start > and[A:user | sub(s > B:user > e:end) | C:user] > D:user > end",
    "start > or[a: 1 > 0 > A:user | b: 2 > 1 > B:user | E:user] > xor[c: 1 > 2 > C:user | D:user] > end",
    "start > and[and2[A:user | B:user] | C:user] > end",
];
const ID: InstanceId = InstanceId(7);
const ROUNDS: u64 = 300;

/// Steele, Lea, Flood: `SplitMix64`.
struct Draw(u64);

impl Draw {
    fn below(&mut self, count: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((z ^ (z >> 31)) % count as u64).expect("below a small number")
    }
}

struct Played {
    instance: Instance,
    oracle: Oracle,
    position: i64,
}

impl Played {
    /// False: it was rejected.
    fn perform(&mut self, command: Command) -> bool {
        let before = self.instance.clone();
        let cause = command.name();
        let mut cx = Context { now: Timestamp(1), new_id: &mut || InstanceId(8), user: None };
        let Ok(outcome) = execute(&mut self.instance, command.clone(), &mut cx) else {
            assert_eq!(self.instance.scopes, before.scopes, "{command:?}");
            assert_eq!(self.instance.head, before.head, "{command:?}");
            return false;
        };
        self.position += 1;
        let told =
            Told { position: self.position, instance: Some(ID), at: Timestamp(1), cause, events: &outcome.events };
        let process = self.instance.definition.process.clone();
        let played = self.oracle.tell(&told, |_| Some(process.clone()));
        assert_eq!(played, Ok(()), "{command:?} gave {:#?}", outcome.events);
        true
    }

    fn tokens(&self) -> Vec<TokenId> {
        self.instance.tokens().map(|(_, id, _)| id).collect()
    }

    fn instruction(&self, draw: &mut Draw) -> Instruction {
        let process = &self.instance.definition.process;
        let nodes: Vec<ElementId> = process.by_id.keys().cloned().collect();
        let flows: Vec<ElementId> = process.graph.edge_indices().map(|flow| process.flow(flow).id.clone()).collect();
        let element = nodes[draw.below(nodes.len())].clone();
        let tokens = self.tokens();
        let one = || tokens.first().copied();
        let placing = match draw.below(8) {
            0..2 => return Instruction::Cancel(Doomed::Element(element)),
            2 if !tokens.is_empty() => return Instruction::Cancel(Doomed::Token(tokens[draw.below(tokens.len())])),
            3 => Placing::After(element),
            4 => Placing::Flow(flows[draw.below(flows.len())].clone()),
            _ => Placing::Before(element),
        };
        let within = if draw.below(6) == 0 { one() } else { None };
        Instruction::Begin { placing, within, variables: Default::default(), local: Default::default() }
    }
}

#[test]
fn the_oracle_follows_what_is_done_by_hand() {
    let (mut done, mut rejected) = (0, 0);
    for seed in 0..ROUNDS {
        let mut draw_from = Draw(seed);
        let model = MODELS[draw_from.below(MODELS.len())];
        let instance = Instance::new(ID, definition(&draw(model)), Timestamp(1));
        let mut played = Played { instance, oracle: Oracle::default(), position: 0 };
        assert!(played.perform(Command::CreateInstance(Box::default())));
        for _ in 0..20 {
            if played.instance.head.state.is_ended() {
                break;
            }
            let tasks: Vec<TokenId> = played
                .instance
                .tokens()
                .filter(|(_, _, token)| matches!(token.wait, Wait::UserTask(_)))
                .map(|(_, id, _)| id)
                .collect();
            if !tasks.is_empty() && draw_from.below(3) == 0 {
                let token = tasks[draw_from.below(tasks.len())];
                assert!(played.perform(Command::CompleteUserTask { token, variables: Default::default() }));
                continue;
            }
            let instructions = (0..=draw_from.below(2)).map(|_| played.instruction(&mut draw_from)).collect();
            match played.perform(Command::Modify { instructions }) {
                true => done += 1,
                false => rejected += 1,
            }
        }
        assert!(played.instance.scopes.contains_key(&ROOT_SCOPE) || played.instance.head.state.is_ended());
    }
    assert!(done > 500 && rejected > 100, "{done} done, {rejected} rejected");
}
