//! The functions that a rule may call, each with what it can cost: what is not in this list is
//! not there.
//!
//! Left out of what the engine has are chance (`rand.intn`), output (`print`, `trace`) and what
//! reads the clock; `time.now_ns` is the time of the question. The features of the engine with
//! which it would read the network or the machine are off.

use regorus::Value;
use regorus::rvm::Instruction;
use regorus::rvm::instructions::BuiltinCallParams;
use regorus::rvm::program::{BuiltinInfo, Program};
use regorus::unstable::{ArithOp, BUILTINS, BuiltinFcn, numbers, sets};

use super::ModuleError;
use super::measure::{
    concat, deep, is_local, number, pattern, product, range, replace, replace_n, shallow, shift,
    sprintf, written,
};
use super::meter::{self, bound, charge, note};

/// The function has gone from the engine since the list was made.
#[derive(Debug, thiserror::Error)]
#[error("the engine has no such function")]
struct Gone;

/// A time was to be shown as the machine would.
#[derive(Debug, thiserror::Error)]
#[error("the time zone `Local` is another one on every machine; name a zone")]
struct Zone;

macro_rules! allowed {
    ($($name:literal: $most:path,)+) => {
        /// The function as a rule may call it.
        fn guarded(name: &str) -> Option<BuiltinFcn> {
            match name {
                $($name => {
                    let (_, parameters) = BUILTINS.get($name)?;
                    Some((
                        |span, expressions, arguments, strict| {
                            if $name.starts_with("time.") && is_local(arguments) {
                                return note(Err(Zone.into()));
                            }
                            charge($most(arguments))?;
                            let (function, _) = BUILTINS.get($name).ok_or(Gone)?;
                            let made = note(function(span, expressions, arguments, strict))?;
                            Ok(note(bound(made))?)
                        },
                        *parameters,
                    ))
                })+
                "time.now_ns" => Some((|_, _, _, _| Ok(Value::from(meter::now())), 0)),
                _ => None,
            }
        }

        #[cfg(test)]
        pub(super) const NAMES: &[&str] = &[$($name),+];
    };
}

allowed! {
    "abs": shallow,
    "array.concat": shallow,
    "array.reverse": shallow,
    "array.slice": shallow,
    "base64.decode": shallow,
    "base64.encode": shallow,
    "base64.is_valid": shallow,
    "bits.and": shallow,
    "bits.lsh": shift,
    "bits.negate": shallow,
    "bits.or": shallow,
    "bits.rsh": shift,
    "bits.xor": shallow,
    "ceil": shallow,
    "concat": concat,
    "contains": shallow,
    "count": shallow,
    "endswith": shallow,
    "floor": shallow,
    "format_int": shallow,
    "glob.match": pattern,
    "glob.quote_meta": shallow,
    "hex.decode": shallow,
    "hex.encode": shallow,
    "indexof": shallow,
    "indexof_n": shallow,
    "intersection": deep,
    "is_array": shallow,
    "is_boolean": shallow,
    "is_null": shallow,
    "is_number": shallow,
    "is_object": shallow,
    "is_set": shallow,
    "is_string": shallow,
    "json.filter": deep,
    "json.is_valid": shallow,
    "json.marshal": written,
    "json.remove": deep,
    "json.unmarshal": written,
    "lower": written,
    "max": shallow,
    "min": shallow,
    "numbers.range": range,
    "numbers.range_step": range,
    "object.filter": shallow,
    "object.get": shallow,
    "object.keys": shallow,
    "object.remove": shallow,
    "object.subset": deep,
    "object.union": deep,
    "object.union_n": deep,
    "product": product,
    "regex.find_all_string_submatch_n": pattern,
    "regex.find_n": pattern,
    "regex.is_valid": pattern,
    "regex.match": pattern,
    "regex.replace": pattern,
    "regex.split": pattern,
    "round": shallow,
    "semver.compare": shallow,
    "semver.is_valid": shallow,
    "sort": shallow,
    "split": written,
    "sprintf": sprintf,
    "startswith": shallow,
    "strings.any_prefix_match": deep,
    "strings.any_suffix_match": deep,
    "strings.count": shallow,
    "strings.replace_n": replace_n,
    "strings.reverse": shallow,
    "substring": shallow,
    "replace": replace,
    "sum": shallow,
    "time.add_date": shallow,
    "time.clock": shallow,
    "time.date": shallow,
    "time.diff": shallow,
    "time.format": shallow,
    "time.parse_duration_ns": shallow,
    "time.parse_ns": shallow,
    "time.parse_rfc3339_ns": shallow,
    "time.weekday": shallow,
    "to_number": number,
    "trim": shallow,
    "trim_left": shallow,
    "trim_prefix": shallow,
    "trim_right": shallow,
    "trim_space": shallow,
    "trim_suffix": shallow,
    "type_name": shallow,
    "union": deep,
    "units.parse": number,
    "units.parse_bytes": number,
    "upper": written,
    "__builtin_sets.intersection": shallow,
    "__builtin_sets.union": shallow,
}

/// Puts the guarded functions into `program`, and guarded calculations in the place of the
/// engine's own: sets can be subtracted, and each multiplication can double a number.
pub(super) fn guard(program: &mut Program) -> Result<(), ModuleError> {
    let mut functions = Vec::with_capacity(program.builtin_info_table.len());
    for wanted in &program.builtin_info_table {
        let function = guarded(&wanted.name);
        functions.push(function.ok_or_else(|| ModuleError::Function(wanted.name.clone()))?);
    }
    program.resolved_builtins = functions;
    for at in 0..program.instructions.len() {
        let Some((dest, left, right, name, function)) =
            program.instructions.get(at).and_then(calculation)
        else {
            continue;
        };
        let builtin_index = entry(program, name, function)?;
        let args = [left, right, 0, 0, 0, 0, 0, 0];
        let params = BuiltinCallParams { dest, builtin_index, num_args: 2, args };
        let params_index = program.add_builtin_call_params(params);
        if let Some(instruction) = program.instructions.get_mut(at) {
            *instruction = Instruction::BuiltinCall { params_index };
        }
    }
    Ok(())
}

/// The place of a function in the program's table, which it is entered in if it is not there.
fn entry(program: &mut Program, name: &str, function: BuiltinFcn) -> Result<u16, ModuleError> {
    let known = program.builtin_info_table.iter().position(|known| known.name == name);
    let place = known.unwrap_or_else(|| {
        program.builtin_info_table.push(BuiltinInfo { name: name.into(), num_args: 2 });
        program.resolved_builtins.push(function);
        program.builtin_info_table.len() - 1
    });
    u16::try_from(place).map_err(|_| ModuleError::TooLong("too many functions".into()))
}

/// What a calculation becomes: where it puts the result, of what, by what name and function.
fn calculation(instruction: &Instruction) -> Option<(u8, u8, u8, &'static str, BuiltinFcn)> {
    macro_rules! calculate {
        ($operation:ident) => {
            (
                |span, expressions, arguments, strict| {
                    charge(shallow(arguments))?;
                    let ([left, right], [first, second]) = (expressions, arguments) else {
                        return Err(Gone.into());
                    };
                    if let (ArithOp::Sub, Value::Set(_), Value::Set(_)) =
                        (ArithOp::$operation, first, second)
                    {
                        return note(sets::difference(left, right, first.clone(), second.clone()));
                    }
                    let (first, second) = (first.clone(), second.clone());
                    let operation = ArithOp::$operation;
                    let result = numbers::arithmetic_operation(
                        span, &operation, left, right, first, second, strict,
                    );
                    Ok(note(bound(note(result)?))?)
                },
                2,
            )
        };
    }
    Some(match *instruction {
        Instruction::Add { dest, left, right } => (dest, left, right, "+", calculate!(Add)),
        Instruction::Sub { dest, left, right } => (dest, left, right, "-", calculate!(Sub)),
        Instruction::Mul { dest, left, right } => (dest, left, right, "*", calculate!(Mul)),
        Instruction::Div { dest, left, right } => (dest, left, right, "/", calculate!(Div)),
        Instruction::Mod { dest, left, right } => (dest, left, right, "%", calculate!(Mod)),
        _ => return None,
    })
}
