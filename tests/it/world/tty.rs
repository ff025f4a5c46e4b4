//! A terminal of any width: a command runs in it as before a person.
//!
//! Enters: an environment, arguments, columns, and what is typed. Leaves: all that the terminal showed, and the exit code.

use std::collections::BTreeMap;
use std::process::Stdio;
use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::process::Command;
use tokio::time::timeout;

use super::patience::patience;

const COMMAND: Duration = Duration::from_secs(30);
/// Runs the command in a new terminal. Types a line of its own input for each time that the terminal shows a question.
const SCRIPT: &str = r#"
import fcntl, os, pty, struct, sys, termios
columns, program, typed = int(sys.argv[1]), sys.argv[2:], sys.stdin.read().splitlines()
pid, terminal = pty.fork()
if pid == 0:
    fcntl.ioctl(1, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    os.execv(program[0], program)
shown = b""
while True:
    try:
        piece = os.read(terminal, 65536)
    except OSError:
        break
    if not piece:
        break
    shown += piece
    if typed and shown.rstrip(b" ").endswith((b":", b"(y/n)")) and shown.endswith(b" "):
        os.write(terminal, typed.pop(0).encode() + b"\n")
_, status = os.waitpid(pid, 0)
sys.stdout.buffer.write(shown.replace(b"\r\n", b"\n"))
sys.exit(os.waitstatus_to_exitcode(status))
"#;

/// Runs a command in a terminal of so many columns, where a person types these lines when they are asked.
pub async fn at_terminal(
    env: &BTreeMap<String, String>,
    columns: usize,
    arguments: &[&str],
    typed: &str,
) -> (Option<i32>, String) {
    let python = std::env::var("TEST_PYTHON").expect("no Python: run the tests by `make test` or `tests/run FILTER`");
    let mut command = Command::new(python);
    command.args(["-c", SCRIPT, &columns.to_string(), env!("CARGO_BIN_EXE_user-events")]).args(arguments);
    // `stty` and an editor are found by it.
    command.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default()).envs(env).kill_on_drop(true);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::inherit());
    let mut child = command.spawn().expect("Python runs");
    let mut stdin = child.stdin.take().expect("a pipe");
    stdin.write_all(typed.as_bytes()).await.expect("it reads");
    drop(stdin);
    let output = timeout(patience(COMMAND), child.wait_with_output()).await.expect("the command ends").expect("output");
    (output.status.code(), String::from_utf8(output.stdout).expect("UTF-8"))
}
