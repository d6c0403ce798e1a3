//! The command line of Agent OS's migrations, for the tests to start.

fn main() -> std::process::ExitCode {
    agentos_migrate::cli::main(migrations::registry())
}
