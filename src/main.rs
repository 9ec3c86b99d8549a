//! The program: reads the arguments, runs the command, ends with its exit code.

use std::process::ExitCode;

fn main() -> ExitCode {
    dnsfwd::cli::main()
}
