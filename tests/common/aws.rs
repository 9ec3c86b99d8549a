//! AWS as tests see it: tests/aws/shim on a port of its own, with the environment that a child needs to find it,
//! what is there before, faults on demand, and the record of all calls.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::time::Duration;

use serde_json::{Value, json};
use tempfile::TempDir;

use super::sys;

pub const REGION: &str = "eu-central-1";
/// What moto takes for the account of every key.
pub const ACCOUNT: &str = "123456789012";
/// The network that [`Aws::seed_network`] makes: a VPC with three subnets in as many zones, and a security group.
pub const VPC: &str = "vpc-0a1b2c3d4e5f60718";
pub const SUBNETS: [&str; 3] =
    ["subnet-0aaaaaaaaaaaaaaa1", "subnet-0aaaaaaaaaaaaaaa2", "subnet-0aaaaaaaaaaaaaaa3"];
pub const SECURITY_GROUP: &str = "sg-0123456789abcdef0";
pub const CLIENT_VPN: &str = "cvpn-endpoint-0123456789abcdef0";

/// Longer than any answer takes, on a busy machine too.
const PATIENCE: Duration = Duration::from_secs(30);

pub struct Aws {
    child: Child,
    address: SocketAddr,
    folder: TempDir,
}

impl Aws {
    /// A world with nothing in it but what moto has in every Region: a default VPC.
    pub fn start() -> Aws {
        Aws::start_with(&[])
    }

    /// With arguments of the shim, as `--ms 5`: see tests/aws/shim/__main__.py.
    pub fn start_with(arguments: &[&str]) -> Aws {
        let folder = tempfile::tempdir().unwrap();
        for file in ["config", "credentials"] {
            File::create(folder.path().join(file)).unwrap();
        }
        let log = File::create(folder.path().join("shim.log")).unwrap();
        let mut command = Command::new(python());
        command.args(["-B", "-m", "shim"]).args(arguments).current_dir(sources());
        sys::leash(command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(log));
        let mut child = command.spawn().expect("python starts");
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let Some(address) = line.trim().strip_prefix("READY http://") else {
            panic!("the shim said {line:?}\n{}", read(&folder.path().join("shim.log")));
        };
        Aws { child, address: address.parse().unwrap(), folder }
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// What a child needs to come here and nowhere else: no key, no profile and no proxy of the machine.
    pub fn environment(&self) -> Vec<(String, String)> {
        let file = |name: &str| self.folder.path().join(name).display().to_string();
        let pairs = [
            ("AWS_ENDPOINT_URL", self.url()),
            ("AWS_REGION", REGION.into()),
            ("AWS_DEFAULT_REGION", REGION.into()),
            ("AWS_ACCESS_KEY_ID", "testing".into()),
            ("AWS_SECRET_ACCESS_KEY", "testing".into()),
            ("AWS_EC2_METADATA_DISABLED", "true".into()),
            ("AWS_CONFIG_FILE", file("config")),
            ("AWS_SHARED_CREDENTIALS_FILE", file("credentials")),
            ("NO_PROXY", "127.0.0.1".into()),
        ];
        pairs.map(|(name, value)| (name.to_owned(), value)).to_vec()
    }

    /// A command in that environment.
    pub fn command(&self, program: impl AsRef<Path>) -> Command {
        let mut command = Command::new(program.as_ref());
        for unwanted in
            ["AWS_PROFILE", "AWS_SESSION_TOKEN", "AWS_ENDPOINT_URL_EC2", "HTTP_PROXY", "http_proxy"]
        {
            command.env_remove(unwanted);
        }
        command.envs(self.environment());
        command
    }

    /// One call of the Resolver API, as somebody with a console makes it; it must succeed. The shim looks at the scope
    /// of a signature and not at the signature itself.
    pub fn resolver(&self, operation: &str, arguments: &Value) -> Value {
        let head = format!(
            "POST / HTTP/1.0\r\nHost: shim\r\nContent-Type: application/x-amz-json-1.1\r\n\
             X-Amz-Target: Route53Resolver.{operation}\r\nAuthorization: AWS4-HMAC-SHA256 \
             Credential=HAND/20260101/{REGION}/route53resolver/aws4_request, SignedHeaders=host, Signature=00\r\n"
        );
        self.request(&head, &arguments.to_string())
    }

    /// An endpoint that is nobody's: its ID, once it is OPERATIONAL.
    pub fn make_endpoint(&self, name: &str, direction: &str, addresses: [&str; 2]) -> String {
        let places: Vec<Value> =
            addresses.iter().zip(SUBNETS).map(|(ip, subnet)| json!({"SubnetId": subnet, "Ip": ip})).collect();
        let told = self.resolver(
            "CreateResolverEndpoint",
            &json!({"CreatorRequestId": format!("by-hand-{name}"), "Name": name, "Direction": direction,
                    "SecurityGroupIds": [SECURITY_GROUP], "IpAddresses": places}),
        );
        let id = told["ResolverEndpoint"]["Id"].as_str().unwrap().to_owned();
        super::eventually(PATIENCE, "an endpoint is OPERATIONAL", || {
            let told = self.resolver("GetResolverEndpoint", &json!({"ResolverEndpointId": id}));
            told["ResolverEndpoint"]["Status"] == "OPERATIONAL"
        });
        id
    }

    /// A rule that is nobody's, associated with [`VPC`]: its ID.
    pub fn make_rule(&self, name: &str, mut rule: Value) -> String {
        rule["CreatorRequestId"] = json!(format!("by-hand-{name}"));
        rule["Name"] = json!(name);
        let told = self.resolver("CreateResolverRule", &rule);
        let id = told["ResolverRule"]["Id"].as_str().unwrap().to_owned();
        self.resolver("AssociateResolverRule", &json!({"ResolverRuleId": id, "VPCId": VPC, "Name": name}));
        id
    }

    /// What a script of Python with boto3 prints: for who makes things as others would.
    pub fn script(&self, script: &str) -> String {
        let ran = self.command(python()).args(["-B", "-c", script]).output().unwrap();
        assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
        String::from_utf8(ran.stdout).unwrap()
    }

    /// VPCs and Client VPN endpoints: see tests/aws/shim/control.py.
    pub fn seed(&self, mut wanted: Value) {
        wanted["region"] = json!(REGION);
        self.control("POST", "seed", Some(&wanted));
    }

    /// [`VPC`] 10.20.0.0/16 with [`SUBNETS`] 10.20.1.0/24 to 10.20.3.0/24, [`SECURITY_GROUP`] and [`CLIENT_VPN`].
    pub fn seed_network(&self) {
        let subnet = |(number, id): (usize, &&str)| {
            let zone = ["a", "b", "c"][number];
            json!({"id": id, "cidr": format!("10.20.{}.0/24", number + 1), "az": format!("{REGION}{zone}")})
        };
        let subnets: Vec<Value> = SUBNETS.iter().enumerate().map(subnet).collect();
        let group = json!({"id": SECURITY_GROUP, "name": "dns"});
        let vpc = json!({"id": VPC, "cidr": "10.20.0.0/16", "subnets": subnets, "security_groups": [group]});
        let vpn = json!({"id": CLIENT_VPN, "vpc": VPC, "subnets": [SUBNETS[0]], "security_groups": [SECURITY_GROUP]});
        self.seed(json!({"vpcs": [vpc], "client_vpns": [vpn]}));
    }

    /// `{"pace": {"ms": 5}}` or `{"pace": {"looks": 2}}`, `{"throttle": {"rate": 5, "burst": 5}}`,
    /// `{"quotas": {"endpoints": 1}}`.
    pub fn settings(&self, wanted: &Value) -> Value {
        self.control("POST", "settings", Some(wanted))
    }

    /// `{"operation", "kind": "status" | "silence" | "cut" | "exception", "times", "skip", "carried_out", …}`: see
    /// `Fault` in tests/aws/shim/faults.py.
    pub fn fault(&self, wanted: &Value) {
        self.control("POST", "fault", Some(wanted));
    }

    /// Sets members of an object past the API, for states that only trouble leads to.
    pub fn force(&self, id: &str, fields: &Value) {
        self.control("POST", "force", Some(&json!({"region": REGION, "id": id, "fields": fields})));
    }

    /// All calls so far, in order.
    pub fn journal(&self) -> Vec<Value> {
        self.control("GET", "journal", None)["calls"].as_array().cloned().unwrap()
    }

    /// The calls of one operation.
    pub fn calls(&self, operation: &str) -> Vec<Value> {
        self.journal().into_iter().filter(|call| call["operation"] == operation).collect()
    }

    /// Names of the operations that were called after the first `since` calls, but for those that only look.
    pub fn changes(&self, since: usize) -> Vec<String> {
        let looks = |name: &str| ["Get", "List", "Describe"].iter().any(|look| name.starts_with(look));
        let names =
            self.journal().into_iter().skip(since).map(|call| call["operation"].as_str().unwrap().to_owned());
        names.filter(|name| !looks(name)).collect()
    }

    /// All that exists in the Region.
    pub fn world(&self) -> Value {
        self.control("GET", &format!("world?region={REGION}"), None)
    }

    /// Calls that came in each second, by service.
    pub fn rates(&self) -> Value {
        self.control("GET", "rate", None)
    }

    pub fn reset(&self) {
        self.control("POST", "reset", Some(&json!({})));
    }

    /// One request of the control path, which must succeed.
    fn control(&self, method: &str, path: &str, body: Option<&Value>) -> Value {
        let body = body.map_or_else(String::new, Value::to_string);
        self.request(&format!("{method} /shim/{path} HTTP/1.0\r\nHost: shim\r\n"), &body)
    }

    /// `head` without its end.
    fn request(&self, head: &str, body: &str) -> Value {
        let mut stream = TcpStream::connect_timeout(&self.address, PATIENCE).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.write_all(format!("{head}Content-Length: {}\r\n\r\n{body}", body.len()).as_bytes()).unwrap();
        let mut reply = String::new();
        stream.read_to_string(&mut reply).unwrap();
        let (first, told) = reply.split_once("\r\n\r\n").expect("an HTTP reply");
        assert!(first.lines().next().unwrap_or_default().contains(" 200"), "{head}: {told}");
        serde_json::from_str(told).unwrap()
    }
}

impl Drop for Aws {
    fn drop(&mut self) {
        sys::signal(-i32::try_from(self.child.id()).unwrap(), sys::KILL);
        let _ = self.child.wait();
        if std::thread::panicking() {
            eprintln!("--- the shim\n{}", read(&self.folder.path().join("shim.log")));
        }
    }
}

/// Makes the shim's environment if there is none yet: before a test enters a namespace, where no package can be had.
pub fn prepare() {
    python();
}

fn sources() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/aws")
}

/// The Python of the shim's environment, which is made by the first who asks.
fn python() -> &'static Path {
    static PYTHON: OnceLock<PathBuf> = OnceLock::new();
    PYTHON.get_or_init(|| {
        let setup =
            Command::new(sources().join("setup")).current_dir(env!("CARGO_MANIFEST_DIR")).output().unwrap();
        assert!(setup.status.success(), "tests/aws/setup: {}", String::from_utf8_lossy(&setup.stderr));
        String::from_utf8(setup.stdout).unwrap().trim().into()
    })
}

fn read(path: &Path) -> String {
    String::from_utf8_lossy(&fs::read(path).unwrap_or_default()).into_owned()
}
