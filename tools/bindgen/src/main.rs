// SPDX-License-Identifier: BSD-3-Clause
//! Prints `src/symbols.ts`: the calls that the header in the first argument marks for TypeScript.
//!
//! deno_bindgen has a generator for the tables that `Deno.dlopen` takes, which accepts symbols from
//! any source. This program reads the symbols from C declarations, and keeps only the table of what
//! the generator writes.

use deno_bindgen_ir::codegen::{generate, Options, Target};
use deno_bindgen_ir::{Inventory, Symbol, Type};
use std::{env, error::Error, fs, path::PathBuf, process};

/// The beginning of a line with a declaration for TypeScript.
const MARK: &str = "\nKUP_USER_DENO_CALL ";

const PREFACE: &str = r#"// SPDX-License-Identifier: BSD-3-Clause
// Generated from native/kup_user.h by tools/bindgen (`make bindings`). Do not edit.

/**
 * The calls of the native library that TypeScript makes, as `Deno.dlopen` takes them. A comment
 * names a call's parameters; the header documents the call.
 *
 * Every call returns a negative errno on failure. No call is `nonblocking`: that would occupy one
 * of a few threads, and wake up later than the waiter does. Calls that take and return 32-bit
 * numbers only are fast: the JIT makes them without leaving its code.
 *
 * @module
 */

export const SYMBOLS = {
"#;

type Outcome<T> = Result<T, Box<dyn Error>>;

/// The generator's own `Buffer` is followed by a length, so that a pointer is `Pointer` until the
/// table is written.
fn read_type(c: &str) -> Outcome<Type> {
    Ok(match c {
        "void" => Type::Void,
        "int32_t" => Type::Int32,
        "uint32_t" => Type::Uint32,
        "uint64_t" => Type::Uint64,
        "double" => Type::Float64,
        _ if c.ends_with('*') => Type::Pointer,
        _ => return Err(format!("read_type() knows no type of Deno for {c}: add it there").into()),
    })
}

/// Splits `TYPE NAME` and `TYPE *NAME`.
fn split_name(declaration: &str) -> Outcome<(&str, &str)> {
    let space = declaration.rfind([' ', '*']).ok_or("write each parameter with its name")?;
    Ok((declaration[..=space].trim(), &declaration[space + 1..]))
}

/// Reads `RESULT NAME(PARAMETERS)`; the second part of what it returns is the comment.
fn read_call(declaration: &str) -> Outcome<(Inventory, String)> {
    let (head, list) = declaration.split_once('(').ok_or("only functions can be marked")?;
    let (result, name) = split_name(head)?;
    let (mut parameters, mut words) = (Vec::new(), Vec::new());
    for parameter in list.trim_end_matches(')').split(", ").filter(|one| *one != "void") {
        let (c, word) = split_name(parameter)?;
        parameters.push(read_type(c)?);
        words.push(if c.ends_with('*') { parameter } else { word });
    }
    let return_type = read_type(result)?;
    if return_type == Type::Pointer {
        return Err("return a pointer through a parameter: a buffer can't be a result".into());
    }
    let symbol = Symbol {
        name: Box::leak(name.into()),
        parameters: parameters.leak(),
        return_type,
        non_blocking: false,
        internal: false,
        is_constructor: false,
    };
    Ok((Inventory::Symbol(symbol), words.join(", ")))
}

/// Reads all marked declarations; a line break counts as a space.
fn read_header(header: &str) -> Outcome<Vec<(Inventory, String)>> {
    let marked = header.split(MARK).skip(1).map(|text| {
        let declaration = text.split(';').next().unwrap_or(text);
        let line = declaration.split_whitespace().collect::<Vec<_>>().join(" ");
        read_call(&line).map_err(|error| format!("{line}: {error}").into())
    });
    marked.collect()
}

/// The generator writes a whole module, to a file; its table has one symbol on several lines.
fn write_table(calls: Vec<(Inventory, String)>) -> Outcome<String> {
    let (symbols, comments): (Vec<_>, Vec<_>) = calls.into_iter().unzip();
    let file = env::current_exe()?.with_extension(format!("{}.ts", process::id()));
    let (target, local_dylib_path) = (Target::Deno, PathBuf::new());
    let out = Some(file.clone());
    generate(symbols.leak(), Options { target, out, local_dylib_path, lazy_init: false })?;
    let module = fs::read_to_string(&file);
    fs::remove_file(&file)?;
    let module = module?;
    let start = module.split_once(", {\n").ok_or("deno_bindgen wrote no table")?.1;
    let table = start.split_once("\n});").ok_or("deno_bindgen wrote a table without an end")?.0;
    let mut text = String::new();
    for (symbol, comment) in table.split("\n  },").zip(comments) {
        if !comment.is_empty() {
            text += &format!("  /** ({comment}) */\n");
        }
        let line = symbol.split_whitespace().collect::<Vec<_>>().join(" ");
        let line = line.replace(", nonblocking: false", "").replace('\'', "\"");
        let line = line.replace("[ ", "[").replace(", ]", "]").replace("\"pointer\"", "\"buffer\"");
        text += &format!("  {line} }},\n");
    }
    Ok(text)
}

fn run() -> Outcome<()> {
    let path = env::args().nth(1).ok_or("give the path of native/kup_user.h")?;
    let calls = read_header(&fs::read_to_string(&path)?)?;
    if calls.is_empty() {
        return Err(format!("{path} marks no call with KUP_USER_DENO_CALL").into());
    }
    let table = write_table(calls)?;
    print!("{PREFACE}{table}}} as const satisfies Deno.ForeignLibraryInterface;\n");
    Ok(())
}

fn main() {
    if let Err(error) = run() {
        eprintln!("bindgen: {error}");
        process::exit(1);
    }
}
