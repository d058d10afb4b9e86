//! What the engine would decide in silence, where another would stop: a rule for which that can
//! happen is refused when it is read.

use std::collections::BTreeSet;

use regorus::rvm::Instruction;
use regorus::rvm::program::{Program, RuleType};

use super::ModuleError;

/// Refuses programs that read other data than the input, wait for others, give one name two
/// values, or need themselves.
pub(super) fn check(program: &Program) -> Result<(), ModuleError> {
    for instruction in &program.instructions {
        match instruction {
            Instruction::LoadData { .. } | Instruction::VirtualDataDocumentLookup { .. } => {
                return Err(ModuleError::Data);
            }
            Instruction::HostAwait { .. } => {
                return Err(ModuleError::Function("__builtin_host_await".into()));
            }
            _ => {}
        }
    }
    if program.needs_runtime_recursion_check {
        return Err(ModuleError::Data);
    }
    // Where two definitions hold with different values, the engine takes neither: what a denial
    // needs would not be there.
    for rule in &program.rule_infos {
        if rule.rule_type == RuleType::Complete
            && rule.definitions.len() > 1
            && !rule.early_exit_on_first_success
        {
            return Err(ModuleError::Ambiguous(name(&rule.name)));
        }
    }
    circle(program)
}

/// Refuses rules that call themselves, directly or not.
fn circle(program: &Program) -> Result<(), ModuleError> {
    let mut calls: Vec<BTreeSet<usize>> = vec![BTreeSet::new(); program.rule_infos.len()];
    let mut caller = None;
    for instruction in &program.instructions {
        let called = match *instruction {
            Instruction::RuleInit { rule_index, .. } => {
                caller = Some(usize::from(rule_index));
                continue;
            }
            Instruction::CallRule { rule_index, .. } => Some(rule_index),
            Instruction::FunctionCall { params_index } => {
                let calls = &program.instruction_data.function_call_params;
                calls.get(usize::from(params_index)).map(|call| call.func_rule_index)
            }
            _ => continue,
        };
        if let (Some(called), Some(calls)) =
            (called, caller.and_then(|caller| calls.get_mut(caller)))
        {
            calls.insert(usize::from(called));
        }
    }
    // Whatever calls nothing that is left cannot be in a circle; each round takes one away.
    let mut left: BTreeSet<usize> = (0..calls.len()).collect();
    loop {
        let free = |rule: &usize| calls.get(*rule).is_none_or(|calls| calls.is_disjoint(&left));
        let gone: Vec<usize> = left.iter().copied().filter(free).collect();
        if gone.is_empty() {
            break;
        }
        for rule in gone {
            left.remove(&rule);
        }
    }
    // What is left is in a circle or leads to one: following calls long enough ends in it.
    let next = |rule: usize| calls.get(rule)?.iter().copied().find(|called| left.contains(called));
    let start = left.first().copied();
    let inside =
        start.map(|start| (0..left.len()).fold(start, |rule, _| next(rule).unwrap_or(rule)));
    match inside.and_then(|rule| program.rule_infos.get(rule)) {
        Some(rule) => Err(ModuleError::Circle(name(&rule.name))),
        None => Ok(()),
    }
}

fn name(path: &str) -> String {
    path.strip_prefix("data.assay.").unwrap_or(path).to_owned()
}
