//go:build linux

package peers

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// nginx serves HTTP, HTTP/2 without TLS, and TLS.
func nginx(r *room) {
	r.certificate()
	r.write("www/index.html", "hello\n")
	r.write("www/big.bin", strings.Repeat("0123456789abcdef", 20_000))
	conf := r.write("nginx.conf", fmt.Sprintf(`
user root;
daemon off;
worker_processes 1;
pid %[1]s/nginx.pid;
error_log stderr;
events {}
http {
	access_log off;
	client_body_temp_path %[1]s/t1; proxy_temp_path %[1]s/t2; fastcgi_temp_path %[1]s/t3; uwsgi_temp_path %[1]s/t4; scgi_temp_path %[1]s/t5;
	root %[1]s/www;
	server {
		listen 80;
		listen 8080 http2;
		listen 443 ssl http2;
		ssl_certificate cert.pem;
		ssl_certificate_key key.pem;
		ssl_protocols TLSv1.2 TLSv1.3;
		location /old { return 301 /index.html; }
		location /broken { return 503 "broken"; }
		location /empty { return 204; }
	}
}
`, r.dir))
	r.serve("443", "nginx", "-e", "stderr", "-p", r.dir, "-c", conf)
}

// certificate writes a key and a certificate.
func (r *room) certificate() {
	r.do("openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout key.pem -out cert.pem -subj /CN=peers.test -addext subjectAltName=DNS:peers.test -days 2 2>&1")
}

func pythonHTTP(r *room) {
	r.write("www/index.html", "hello\n")
	r.serve("8000", "python3", "-m", "http.server", "8000", "--bind", "127.0.0.1", "--directory", r.dir+"/www")
}

func nodeHTTP(r *room) {
	r.write("server.js", `
require("http").createServer((q, a) => {
	let n = 0
	q.on("data", b => n += b.length)
	q.on("end", () => {
		if (q.url == "/chunks") { a.write("one"); setTimeout(() => a.end("two"), 20); return }
		a.writeHead(q.url == "/none" ? 404 : 200, {"Content-Length": 2 + String(n).length})
		a.end("n=" + n)
	})
}).listen(8080, "127.0.0.1")
`)
	r.write("client.js", `
const http = require("http"), agent = new http.Agent({keepAlive: true, maxSockets: 1})
const go = (method, path, body) => new Promise((ok, no) => {
	const q = http.request({host: "127.0.0.1", port: 8080, method, path, agent}, a => { a.resume(); a.on("end", ok) })
	q.on("error", no)
	if (body) q.write(body)
	q.end()
})
go("GET", "/a?x=1").then(() => go("POST", "/b", "x".repeat(3000))).then(() => go("GET", "/chunks")).then(() => go("DELETE", "/none")).then(() => agent.destroy())
`)
	r.serve("8080", "node", "server.js")
}

func nghttpd(r *room) {
	r.write("www/index.html", "hello\n")
	r.write("www/a.txt", "a\n")
	r.write("mail.txt", "something\n")
	r.serve("8080", "nghttpd", "--no-tls", "-a", "127.0.0.1", "-d", r.dir+"/www", "8080")
}

const records = `
local-data: "www.peers.test. 300 IN A 192.0.2.7"
local-data: "www.peers.test. 300 IN A 192.0.2.8"
local-data: "www.peers.test. 300 IN AAAA 2001:db8::7"
local-data: "peers.test. 300 IN MX 10 mail.peers.test."
local-data: "txt.peers.test. 300 IN TXT 'a text'"
`

func unbound(r *room) {
	conf := r.write("unbound.conf", fmt.Sprintf(`
server:
	interface: 127.0.0.1
	do-daemonize: no
	username: ""
	chroot: ""
	directory: "%[1]s"
	pidfile: "%[1]s/unbound.pid"
	use-syslog: no
	num-threads: 1
	local-zone: "test." static
%s
remote-control:
	control-enable: no
`, r.dir, records))
	r.serve("53", "unbound", "-d", "-c", conf)
}

func dnsmasq(r *room) {
	r.serve("53", "dnsmasq", "--keep-in-foreground", "--no-resolv", "--no-hosts", "--conf-file=/dev/null", "--user=root", "--pid-file="+r.dir+"/dnsmasq.pid", "--listen-address=127.0.0.1",
		"--bind-interfaces", "--address=/www.peers.test/192.0.2.7", "--address=/www.peers.test/2001:db8::7", "--local=/test/", "--mx-host=peers.test,mail.peers.test,10", "--local=/corp/")
	r.resolv("nameserver 127.0.0.1\nsearch a.corp b.corp peers.test\noptions ndots:2\n")
}

func opensslServer(r *room) {
	r.certificate()
	r.serve("443", "openssl", "s_server", "-quiet", "-accept", "443", "-cert", "cert.pem", "-key", "key.pem", "-alpn", "h2,http/1.1", "-www")
}

// opensslNarrow accepts less than others offer.
func opensslNarrow(r *room) {
	r.certificate()
	r.serve("443", "openssl", "s_server", "-quiet", "-accept", "443", "-cert", "cert.pem", "-key", "key.pem", "-tls1_2", "-cipher", "ECDHE-ECDSA-AES128-GCM-SHA256", "-curves", "P-384", "-www")
}

func postgres(r *room) {
	bin, _ := filepath.Glob("/usr/lib/postgresql/*/bin")
	r.write("password", "geheim\n")
	r.do(fmt.Sprintf(`mkdir data && chown nobody data && cd data
setpriv --reuid=nobody --regid=nogroup --clear-groups env LC_ALL=C %s/initdb -D "$PWD" -U bob -N --auth-host=md5 --auth-local=trust --pwfile=../password >/dev/null`, bin[len(bin)-1]))
	r.serve("5432", "setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups", bin[len(bin)-1]+"/postgres", "-D", r.dir+"/data", "-h", "127.0.0.1", "-k", r.dir+"/data", "-c", "fsync=off", "-c", "max_connections=10")
	r.write("extended.sql", "insert into t values (:client_id + 7);\nselect count(*) from t where a > 1;\n")
}

func redis(r *room) {
	r.serve("6379", "redis-server", "--bind", "127.0.0.1", "--save", "", "--dir", r.dir)
}

func mariadb(r *room) {
	r.do(`mkdir data && mariadb-install-db --no-defaults --user=root --datadir="$PWD/data" --skip-test-db --auth-root-authentication-method=normal >/dev/null 2>&1`)
	r.write("init.sql", "create user bob@localhost identified by 'geheim';\ncreate database shop;\ngrant all on shop.* to bob@localhost;\n")
	r.serve("3306", "mariadbd", "--no-defaults", "--user=root", "--datadir="+r.dir+"/data", "--socket="+r.dir+"/mysql.sock", "--bind-address=127.0.0.1", "--pid-file="+r.dir+"/mysql.pid",
		"--init-file="+r.dir+"/init.sql", "--innodb-buffer-pool-size=16M")
}

func memcached(r *room) {
	r.write("value.txt", "a value\n")
	r.write("other.txt", strings.Repeat("another value\n", 200))
	r.serve("11211", "memcached", "-u", "nobody", "-l", "127.0.0.1", "-m", "16", "-U", "0", "-t", "1")
	r.write("client.py", `
import socket
s = socket.create_connection(("127.0.0.1", 11211))
f = s.makefile("rb")
def ask(b, end):
    s.sendall(b)
    while True:
        l = f.readline()
        if not l or l.split()[0] in end: return
ask(b"set a 0 0 5\r\nhello\r\n", [b"STORED"])
ask(b"add a 0 0 1\r\nx\r\n", [b"NOT_STORED"])
ask(b"get a\r\n", [b"END"])
ask(b"gets a none\r\n", [b"END"])
ask(b"incr a 1\r\n", [b"CLIENT_ERROR"])
ask(b"delete a\r\n", [b"DELETED"])
ask(b"delete a\r\n", [b"NOT_FOUND"])
ask(b"version\r\n", [b"VERSION"])
ask(b"nonsense\r\n", [b"ERROR"])
s.sendall(b"quit\r\n")
`)
}

func mosquitto(r *room) {
	conf := r.write("mosquitto.conf", "listener 1883 127.0.0.1\nallow_anonymous true\nuser root\npersistence false\n")
	r.serve("1883", "mosquitto", "-c", conf)
}

func rabbitmq(r *room) {
	for _, d := range []string{"db", "log"} {
		r.do("mkdir " + d)
	}
	r.write("enabled_plugins", "[].\n")
	conf := r.write("rabbitmq.conf", "listeners.tcp.1 = 127.0.0.1:5672\n")
	// It looks for its own process in /proc.
	r.serve("5672", "unshare", "-m", "sh", "-c", `mount -t proc none /proc && exec "$@"`, "sh", "env", "HOME="+r.dir, "RABBITMQ_NODENAME=peers@localhost", "RABBITMQ_MNESIA_BASE="+r.dir+"/db", "RABBITMQ_LOG_BASE="+r.dir+"/log", "RABBITMQ_CONFIG_FILE="+conf,
		"RABBITMQ_ENABLED_PLUGINS_FILE="+r.dir+"/enabled_plugins", "ERL_EPMD_ADDRESS=127.0.0.1", "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS=+S 1", "/usr/lib/rabbitmq/bin/rabbitmq-server")
}

func aiosmtpd(r *room) {
	r.serve("25", "/usr/bin/python3", "-m", "aiosmtpd", "-n", "-l", "127.0.0.1:25", "-c", "aiosmtpd.handlers.Debugging", "stdout")
	r.write("mail.txt", "From: a@peers.test\r\nTo: b@peers.test\r\nSubject: a mail\r\n\r\nwith a text\r\n.and a dot\r\n")
}

func vsftpd(r *room) {
	r.write("pub/notes.txt", "some notes\n")
	r.do("chmod 555 pub && mkdir empty")
	conf := r.write("vsftpd.conf", fmt.Sprintf("listen=YES\nlisten_address=127.0.0.1\nlisten_port=21\nanonymous_enable=YES\nanon_root=%[1]s/pub\nsecure_chroot_dir=%[1]s/empty\nrun_as_launching_user=NO\n"+
		"background=NO\nftp_username=ftp\nnopriv_user=nobody\nseccomp_sandbox=NO\nisolate=NO\nisolate_network=NO\nxferlog_enable=NO\n", r.dir))
	r.serve("21", "vsftpd", conf)
}

// sshd is a server that lets root in with a key.
func sshd(r *room) {
	r.do(`ssh-keygen -q -t ed25519 -N '' -f host; ssh-keygen -q -t ed25519 -N '' -f user; cp user.pub authorized; chmod 600 authorized; mount -t tmpfs none /run; mkdir /run/sshd`)
	conf := r.write("sshd_config", fmt.Sprintf("Port 22\nListenAddress 127.0.0.1\nHostKey %[1]s/host\nAuthorizedKeysFile %[1]s/authorized\nPidFile %[1]s/sshd.pid\nUsePAM no\nStrictModes no\nPermitRootLogin yes\n", r.dir))
	r.serve("22", "/usr/sbin/sshd", "-D", "-e", "-f", conf)
}

// sshDynamic is a SOCKS proxy: ssh -D, and what is behind it.
func sshDynamic(r *room) {
	sshd(r)
	r.servers = nil // what is watched is the proxy, not the encrypted connection behind it
	r.write("www/index.html", "hello\n")
	r.support("80", "python3", "-m", "http.server", "80", "--bind", "127.0.0.1", "--directory", r.dir+"/www")
	r.serve("1080", "ssh", "-N", "-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", "-i", "user", "-D", "127.0.0.1:1080", "root@127.0.0.1")
}

func microsocks(r *room) {
	r.write("www/index.html", "hello\n")
	r.support("80", "python3", "-m", "http.server", "80", "--bind", "127.0.0.1", "--directory", r.dir+"/www")
	r.serve("1080", "microsocks", "-i", "127.0.0.1", "-p", "1080", "-u", "bob", "-P", "geheim")
}

func slapd(r *room) {
	r.do("mkdir db slapd.d")
	conf := r.write("slapd.conf", fmt.Sprintf("include /etc/ldap/schema/core.schema\ninclude /etc/ldap/schema/cosine.schema\ninclude /etc/ldap/schema/inetorgperson.schema\npidfile %[1]s/slapd.pid\n"+
		"modulepath /usr/lib/ldap\nmoduleload back_mdb\ndatabase mdb\nmaxsize 10485760\nsuffix dc=peers,dc=test\nrootdn cn=admin,dc=peers,dc=test\nrootpw geheim\ndirectory %[1]s/db\n", r.dir))
	r.write("people.ldif", `dn: dc=peers,dc=test
objectClass: dcObject
objectClass: organization
o: peers
dc: peers

dn: cn=bob,dc=peers,dc=test
objectClass: inetOrgPerson
cn: bob
sn: Builder
userPassword: geheim
`)
	r.serve("389", "slapd", "-d", "0", "-h", "ldap://127.0.0.1:389", "-f", conf)
}

func prosody(r *room) {
	conf := r.write("prosody.cfg.lua", fmt.Sprintf(`
pidfile = "%[1]s/prosody.pid"
data_path = "%[1]s/data"
daemonize = false
run_as_root = true
log = "*console"
interfaces = { "127.0.0.1" }
modules_enabled = { "roster", "saslauth", "disco", "ping", "register" }
modules_disabled = { "s2s", "tls" }
allow_registration = true
c2s_require_encryption = false
allow_unencrypted_plain_auth = true
authentication = "internal_plain"
VirtualHost "peers.test"
`, r.dir))
	r.write("data/peers%2etest/accounts/bob.dat", "return {\n\t[\"password\"] = \"geheim\";\n};\n")
	r.serve("5222", "env", "LD_PRELOAD=", "prosody", "--root", "-F", "--config", conf)
	r.write("client.py", `
import base64, re, socket
s = socket.create_connection(("127.0.0.1", 5222))
s.settimeout(8)
def until(pattern):
    b = b""
    while not re.search(pattern, b):
        d = s.recv(4096)
        if not d: raise SystemExit("closed: %r" % b)
        b += d
    return b
head = b"<?xml version='1.0'?><stream:stream to='peers.test' version='1.0' xml:lang='en' xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'>"
s.sendall(head)
until(rb"</stream:features>")
s.sendall(b"<auth mechanism='PLAIN' xmlns='urn:ietf:params:xml:ns:xmpp-sasl'>" + base64.b64encode(b"\0bob\0geheim") + b"</auth>")
until(rb"<success[^>]*>")
s.sendall(head)
until(rb"</stream:features>")
s.sendall(b"<iq type='set' id='b1'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'><resource>here</resource></bind></iq>")
until(rb"</iq>")
s.sendall(b"<iq type='get' id='r1'><query xmlns='jabber:iq:roster'/></iq>")
until(rb"</iq>|/>")
s.sendall(b"<presence/>")
s.sendall(b"<message to='bob@peers.test/here' type='chat' id='m1'><body>a text</body></message>")
until(rb"</message>")
s.sendall(b"<iq type='get' id='n1' to='peers.test'><query xmlns='urn:nothing'/></iq>")
until(rb"type='error'[\s\S]*</iq>")
s.sendall(b"</stream:stream>")
until(rb"</stream:stream>")
`)
}

// goPeers returns the programs of testdata/go, in the room.
func goPeers(r *room) string {
	if err := os.Link(goPrograms(), r.dir+"/gopeers"); err != nil {
		r.t.Fatal(err)
	}
	return r.dir + "/gopeers"
}

func grpcGo(r *room) { r.serve("50051", goPeers(r), "grpc-server") }

func kfake(r *room) { r.serve("9092", goPeers(r), "kafka-server") }
