//! From the text of a rule to a program, and from a program to an answer.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use attest::Timestamp;
use regorus::languages::rego::compiler::Compiler;
use regorus::rvm::program::{Program, RuleType};
use regorus::rvm::vm::VmError;
use regorus::rvm::{Instruction, RegoVM};
use regorus::utils::limits::{ExecutionTimerConfig, monotonic_now};
use regorus::{Engine, Value};

use super::fence::behind;
use super::meter::MAX_MADE;
use super::{Answer, MAX_REGO_BYTES, ModuleError, PACKAGE, RegoRule, RunError};
use super::{answer, builtins, fields, input, meter, reads, sound};
use crate::rules::Question;
use crate::rules::chain::Chain;
use crate::rules::rule::Reads;

/// Where the answer of a module stands.
const ENTRY: &str = "data.assay.deny";
/// The most instructions of one rule at one question.
pub(super) const MAX_INSTRUCTIONS: usize = 1_000_000;
/// How long all rules of one question may take, in seconds. Far beyond what the other limits let
/// through on any machine in order; it is there for those that are not.
pub(super) const MAX_SECONDS: u64 = 5;
/// How many instructions pass between two looks at the clock.
const LOOK: NonZeroU32 = NonZeroU32::new(64).unwrap();

/// A rule that is compiled.
#[derive(Clone, Debug)]
pub(crate) struct Module {
    pub(super) program: Arc<Program>,
    reads_time: bool,
    /// The numbers and words that stand in its text.
    compared: Arc<[Reads]>,
}

impl Module {
    /// Compiles `text`, in which the engine's messages call it `id`; `steps` are those of the
    /// policy.
    pub(crate) fn compile(id: &str, text: &str, steps: &[&str]) -> Result<Self, ModuleError> {
        if text.len() > MAX_REGO_BYTES {
            return Err(ModuleError::TooLarge(text.len()));
        }
        behind(|| compile(id, text, steps)).map_err(|_| ModuleError::Broken)?
    }

    /// What it may compare with: the numbers and words of its text.
    pub(crate) fn compared(&self) -> &[Reads] {
        &self.compared
    }

    /// Whether its answer may change by time alone.
    pub(crate) const fn reads_time(&self) -> bool {
        self.reads_time
    }
}

fn compile(id: &str, text: &str, steps: &[&str]) -> Result<Module, ModuleError> {
    let (reads_time, compared) = reads::check(id, text)?;
    let mut engine = Engine::new();
    engine.add_policy(id.into(), text.into()).map_err(|error| of_engine(&error))?;
    let packages = engine.get_policy_package_components().map_err(|error| of_engine(&error))?;
    for package in packages {
        if package.components != [PACKAGE] {
            return Err(ModuleError::Package(package.components.join(".")));
        }
    }
    if !engine.has_declared_rule_rooted_at(id, "deny").map_err(|error| of_engine(&error))? {
        return Err(ModuleError::NoDeny);
    }
    fields::check(id, text, steps)?;
    let rules = engine.compile_with_entrypoint(&ENTRY.into()).map_err(|error| of_engine(&error))?;
    let program = Compiler::compile_from_policy(&rules, &[ENTRY]);
    let mut program = Arc::unwrap_or_clone(program.map_err(|error| of_engine(&error))?);
    program.validate_limits().map_err(ModuleError::TooLong)?;
    let deny = program.rule_infos.iter().find(|rule| rule.name == ENTRY);
    if deny.is_none_or(|deny| deny.rule_type != RuleType::PartialSet) {
        return Err(ModuleError::NoDeny);
    }
    sound::check(&program)?;
    let loads = |one: &Instruction| matches!(one, Instruction::LoadInput { .. });
    if !program.instructions.iter().any(loads) {
        return Err(ModuleError::NoInput);
    }
    let reads_time =
        reads_time || program.builtin_info_table.iter().any(|one| one.name == "time.now_ns");
    builtins::guard(&mut program)?;
    Ok(Module { program: Arc::new(program), reads_time, compared: compared.into() })
}

/// Runs `rules` on one question; an answer for each, in their order.
pub(crate) fn run(
    question: Question<'_>,
    stage: &str,
    chain: &Chain<'_>,
    rules: &[&RegoRule],
    now: Timestamp,
) -> Vec<Answer> {
    let answers = behind(|| {
        let input = match input::of(question, stage, chain, now) {
            Ok(input) => input,
            Err(error) => return rules.iter().map(|_| Err(error.clone())).collect(),
        };
        let begun = monotonic_now().unwrap_or_default();
        let one = |rule: &&RegoRule| {
            let spent = monotonic_now().unwrap_or_default().saturating_sub(begun);
            let left = Duration::from_secs(MAX_SECONDS).saturating_sub(spent);
            execute(&rule.module.program, input.clone(), now, left)
        };
        rules.iter().map(one).collect()
    });
    answers.unwrap_or_else(|_| rules.iter().map(|_| Err(RunError::Broken)).collect())
}

/// Runs one program on `input`, within `limit` of time. Whoever calls is behind the fence.
pub(super) fn execute(
    program: &Arc<Program>,
    input: Value,
    now: Timestamp,
    limit: Duration,
) -> Answer {
    meter::start(now);
    let mut machine = RegoVM::new();
    machine.load_program(Arc::clone(program));
    // What has no value must not make a denial disappear.
    machine.set_strict_builtin_errors(true);
    machine.set_max_instructions(MAX_INSTRUCTIONS);
    machine.set_execution_timer_config(Some(ExecutionTimerConfig { limit, check_interval: LOOK }));
    machine.set_input(input);
    let found = machine.execute_entry_point_by_name(ENTRY).map_err(|error| of_machine(&error))?;
    // The engine takes a body in which a function fails for one that does not hold.
    if let Some(fault) = meter::fault() {
        return Err(RunError::Undefined(said(&fault)));
    }
    answer::read(&found)
}

fn of_machine(error: &VmError) -> RunError {
    match error {
        VmError::InstructionLimitExceeded { .. } => RunError::Instructions(MAX_INSTRUCTIONS),
        VmError::TimeLimitExceeded { .. } => RunError::Time(MAX_SECONDS),
        VmError::MemoryLimitExceeded { .. } | VmError::MemoryBudgetExceeded { .. } => {
            RunError::Memory(MAX_MADE)
        }
        VmError::RegexSizeLimitExceeded { .. } => RunError::Pattern,
        VmError::ArithmeticError { message, .. } => RunError::Undefined(said(message)),
        // The other messages show the values at hand, which may be as large as the input.
        VmError::InvalidAddition { .. }
        | VmError::InvalidSubtraction { .. }
        | VmError::InvalidMultiplication { .. }
        | VmError::InvalidDivision { .. }
        | VmError::InvalidModulo { .. }
        | VmError::ModuloOnFloat { .. } => {
            RunError::Undefined("a calculation with what is no number for it".into())
        }
        other => {
            let text = other.to_string();
            RunError::Undefined(said(text.split(" (").next().unwrap_or_default()))
        }
    }
}

/// What the engine says of a text, on one line, and where.
pub(super) fn of_engine(error: &impl ToString) -> ModuleError {
    let text = error.to_string();
    let function = ["Unknown function: '", "Missing builtin function: "].into_iter();
    let named = function.filter_map(|words| text.split_once(words)).next();
    if let Some((_, name)) = named {
        let name = name.split('\'').next().unwrap_or_default();
        return ModuleError::Function(name.chars().take(100).collect());
    }
    ModuleError::Engine(sentence(&text))
}

/// The engine's messages draw the place under a line of the text: of that, what they say and
/// where is kept.
fn sentence(text: &str) -> String {
    let place = text.lines().find_map(|line| {
        let (_, place) = line.trim().strip_prefix("--> ")?.split_once(':')?;
        let (line, column) = place.split_once(':')?;
        Some(format!("line {line}, column {column}: "))
    });
    format!("{}{}", place.unwrap_or_default(), said(text))
}

/// What they say. When a program runs, the places in them are none of the text.
fn said(text: &str) -> String {
    let said = text.rsplit_once("error: ").map_or(text, |(_, said)| said);
    let said: String = said.split_whitespace().collect::<Vec<_>>().join(" ");
    said.chars().take(300).collect()
}
