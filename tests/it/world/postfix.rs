//! A test's own Postfix, from Debian's package: a mail server that many mails really meet.
//!
//! Enters: nothing. Leaves: three ports on 127.0.0.1, the delivered mails, its log. Promises: it ends with the test,
//! however that ends; it delivers into its own directory and nowhere else. Without an installed Postfix the test fails
//! and says how to get it. Its user database has `user` with the password `p@ss`. It refuses `gone@example.com` (550),
//! `later@example.com` (451) and `spam@example.com` (554).

use std::fs;
use std::io::Write;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use tempfile::TempDir;

use super::eventually;
use super::smtp::certificate;

pub struct Postfix {
    /// Without TLS at first; offers STARTTLS and AUTH.
    pub port: u16,
    /// TLS from the start.
    pub tls_port: u16,
    /// Like `port`, but accepts mail only after a login.
    pub login_port: u16,
    /// The file for a client's `SSL_CERT_FILE`.
    pub certificate: PathBuf,
    directory: TempDir,
    // A shell that stops Postfix when its standard input closes, also if the test process is killed.
    keeper: Child,
}

const MAIN: &str = "
compatibility_level = 3.6
queue_directory = DIR/queue
data_directory = DIR/data
maillog_file = DIR/log
maillog_file_prefixes = DIR
myhostname = mail.test
mydestination =
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
mynetworks = 127.0.0.0/8
alias_maps =
local_recipient_maps =
virtual_mailbox_domains = example.com
virtual_mailbox_base = DIR/mail
virtual_mailbox_maps = static:box/
virtual_uid_maps = static:65534
virtual_gid_maps = static:65534
default_transport = error:this Postfix sends nothing out
smtpd_peername_lookup = no
smtpd_relay_restrictions = permit_mynetworks, reject
smtpd_recipient_restrictions =
    check_recipient_access inline:{
        {gone@example.com=550 5.1.1 no such user}, {later@example.com=451 4.3.0 not now}, {spam@example.com=554 5.7.1 no} },
    permit_mynetworks, reject
smtpd_tls_cert_file = DIR/localhost.pem
smtpd_tls_key_file = DIR/localhost.pem.key
smtpd_tls_security_level = may
smtpd_tls_loglevel = 1
smtpd_sasl_auth_enable = yes
smtpd_sasl_local_domain = mail.test
";

const MASTER: &str = "
127.0.0.1:PLAIN inet n - n - - smtpd
127.0.0.1:TLS inet n - n - - smtpd
    -o smtpd_tls_wrappermode=yes
127.0.0.1:LOGIN inet n - n - - smtpd
    -o smtpd_client_restrictions=permit_sasl_authenticated,reject
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
proxymap unix - - n - - proxymap
anvil unix - - n - 1 anvil
error unix - - n - - error
retry unix - - n - - error
virtual unix - n n - - virtual
tlsmgr unix - - n 1000? 1 tlsmgr
postlog unix-dgram n - n - 1 postlogd
";

const SASL: &str = "pwcheck_method: auxprop
auxprop_plugin: sasldb
sasldb_path: DIR/conf/sasl/users
mech_list: PLAIN LOGIN
";

impl Postfix {
    pub async fn start() -> Self {
        assert!(
            Path::new("/usr/sbin/postfix").exists() && Path::new("/usr/sbin/saslpasswd2").exists(),
            "no Postfix: `localstack/servers postfix` installs it, `tests/run` does so too"
        );
        let directory = tempfile::tempdir().expect("a directory");
        let root = directory.path();
        let listeners = [(); 3].map(|()| TcpListener::bind("127.0.0.1:0").expect("a free port"));
        let [port, tls_port, login_port] = listeners.map(|listener| listener.local_addr().expect("bound").port());
        for folder in ["queue", "data", "mail", "conf/sasl"] {
            fs::create_dir_all(root.join(folder)).expect("a folder");
        }
        let write = |name: &str, text: &str| {
            let text = text.replace("DIR", &root.display().to_string()).replace("PLAIN inet", &format!("{port} inet"));
            let text = text.replace("TLS inet", &format!("{tls_port} inet"));
            fs::write(root.join(name), text.replace("LOGIN inet", &format!("{login_port} inet"))).expect("written");
        };
        write("conf/main.cf", MAIN);
        write("conf/master.cf", MASTER);
        write("conf/sasl/smtpd.conf", SASL);
        let certificate = certificate::write(root);
        // Postfix's processes run as other users and must read this directory.
        fs::set_permissions(root, fs::Permissions::from_mode(0o755)).expect("ours");
        let prepare = "cd \"$1\" && saslpasswd2 -p -c -f conf/sasl/users -u mail.test user && chown root conf conf/* \
            && chown postfix data conf/sasl conf/sasl/users && chown 65534 mail";
        let mut prepared = as_root(prepare, root).spawn().expect("it runs");
        prepared.stdin.take().expect("piped").write_all(b"p@ss\n").expect("written");
        assert!(prepared.wait().expect("it ends").success(), "Postfix was not prepared; root or sudo is needed");
        let keep = "postfix -c \"$1/conf\" start >/dev/null 2>&1 && cat >/dev/null; postfix -c \"$1/conf\" stop >/dev/null 2>&1";
        let keeper = as_root(keep, root).spawn().expect("it runs");
        let postfix = Self { port, tls_port, login_port, certificate, directory, keeper };
        eventually("Postfix listens", Duration::from_secs(30), || async {
            tokio::net::TcpStream::connect(("127.0.0.1", login_port)).await.ok()
        })
        .await;
        postfix
    }

    pub fn log(&self) -> String {
        fs::read_to_string(self.directory.path().join("log")).unwrap_or_default()
    }

    /// The mails in its one mailbox. Waits until there are `many`.
    pub async fn delivered(&self, many: usize) -> Vec<String> {
        let new = self.directory.path().join("mail/box/new");
        eventually(&format!("{many} mails from Postfix"), Duration::from_secs(30), || async {
            let files = fs::read_dir(&new).ok()?.flatten();
            let mails: Vec<_> = files.filter_map(|file| fs::read_to_string(file.path()).ok()).collect();
            (mails.len() >= many).then_some(mails)
        })
        .await
    }
}

impl Drop for Postfix {
    fn drop(&mut self) {
        drop(self.keeper.stdin.take());
        let _ = self.keeper.wait();
        // Files of other users: only root can remove them.
        let _ = as_root("rm -rf \"$1\"", self.directory.path()).status();
    }
}

fn as_root(script: &str, directory: &Path) -> Command {
    let is_root = Command::new("id").arg("-u").output().is_ok_and(|id| id.stdout == b"0\n");
    let mut command = Command::new(if is_root { "env" } else { "sudo" });
    command.args(["PATH=/usr/sbin:/usr/bin:/sbin:/bin", "sh", "-c", script, "postfix"]).arg(directory);
    command.stdin(Stdio::piped());
    command
}
