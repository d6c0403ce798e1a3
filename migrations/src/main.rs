//! The command line of Agent OS's migrations.

fn main() -> std::process::ExitCode {
    agentos_migrate::cli::main(migrations::registry())
}
