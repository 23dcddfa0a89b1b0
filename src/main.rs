//! The command line. Each subcommand has a file in `cli`.

mod cli;

use std::process::ExitCode;

/// What one thread makes another one frees (rows, answers): the system's allocator is slow at that.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    cli::run()
}
