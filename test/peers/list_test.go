//go:build linux

package peers

// peers are run in this order; those whose programs take long to build are last.
var peers = []peer{
	{
		name: "curl-nginx", client: "curl --version", server: "nginx -v", also: "openssl", must: true, ports: []int{80}, start: nginx, protos: []string{"http"},
		script: `u=http://localhost
curl -s --http1.0 $u/ && curl -s $u/ $u/none $u/old -o big $u/big.bin "$u/?a=b&c=%20d" && curl -s -I $u/ && curl -s -r 5-9 $u/big.bin -d x=y -X PUT && curl -s $u/broken $u/empty -H 'Host: other.test' -A agent`,
		sure: "GET /?a=b&c=%20d",
	},
	{
		name: "curl-python", client: "curl --version", server: "python3 --version", must: true, ports: []int{8000}, start: pythonHTTP, protos: []string{"http"},
		script: `u=http://127.0.0.1:8000
curl -s $u/ $u/none && curl -s --http1.0 $u/ -X POST -d x`,
		sure: "POST",
	},
	{
		name: "node-node", client: "node --version", server: "node --version", ports: []int{8080}, start: nodeHTTP, protos: []string{"http"},
		script: `node client.js`, sure: "POST /b",
	},
	{
		name: "curl-nginx-h2c", client: "curl --version", server: "nginx -v", also: "openssl", must: true, ports: []int{8080}, start: nginx, protos: []string{"http2"},
		// curl 7.88 fails if it uses such a connection for a second request, or sends a body that is refused.
		script: `u=http://localhost:8080; c="curl -s --http2-prior-knowledge"
$c $u/ && $c $u/none && $c "$u/?a=b" && $c -o big $u/big.bin && $c $u/old && $c $u/broken && $c -I $u/ && $c $u/empty`,
		sure: "GET /?a=b",
	},
	{
		name: "nghttp-nghttpd", client: "nghttp --version", server: "nghttpd --version", ports: []int{8080}, start: nghttpd, protos: []string{"http", "http2"},
		script: `u=http://127.0.0.1:8080
nghttp -n $u/ $u/a.txt $u/none && nghttp -n -m 3 -d mail.txt $u/a.txt && nghttp -n -u $u/`,
		sure: "/",
	},
	{
		name: "nghttp-nginx", client: "nghttp --version", server: "nginx -v", also: "openssl", ports: []int{8080}, start: nginx, protos: []string{"http2"},
		script: `u=http://127.0.0.1:8080
nghttp -n $u/ $u/old $u/broken $u/none "$u/?a=b" && nghttp -n $u/big.bin && nghttp -n -H ':method: HEAD' $u/`, sure: "GET /old",
	},
	{
		name: "curl-nginx-tls", client: "curl --version", server: "nginx -v", also: "openssl", must: true, ports: []int{443}, start: nginx, protos: []string{"tls"},
		script: `r="--resolve peers.test:443:127.0.0.1"; u=https://peers.test
curl -s -k $r $u/ $u/none && curl -s -k --tls-max 1.2 --http1.1 $r $u/ && curl -s -k --no-alpn https://127.0.0.1/; curl -s $r $u/`,
		exit: 60, sure: "unknownca",
	},
	{
		name: "openssl-openssl", client: "openssl version", server: "openssl version", must: true, ports: []int{443}, start: opensslServer, protos: []string{"tls"},
		script: `c() { printf 'GET / HTTP/1.0\r\n\r\n' | openssl s_client -connect 127.0.0.1:443 -ign_eof "$@" >/dev/null 2>&1; }
c -servername a.test -alpn h2,x; c -tls1_2 -servername b.test -alpn http/1.1; c -tls1_3 -noservername -ciphersuites TLS_CHACHA20_POLY1305_SHA256; c -alpn none; true`,
		sure: "noapplicationprotocol",
	},
	{
		name: "openssl-narrow", client: "openssl version", server: "openssl version", must: true, ports: []int{443}, start: opensslNarrow, protos: []string{"tls"},
		script: `c() { printf 'GET / HTTP/1.0\r\n\r\n' | openssl s_client -connect 127.0.0.1:443 -ign_eof "$@" >/dev/null 2>&1; }
c -servername a.test; c -tls1_3; c -tls1_2 -cipher ECDHE-ECDSA-AES256-GCM-SHA384; true`,
		sure: "protocolversion",
	},
	{
		name: "dig-unbound", client: "dig -v", server: "unbound -V", must: true, ports: []int{53}, start: unbound, protos: []string{"dns"},
		script: `d="dig @127.0.0.1 +tries=1 +timeout=3"
$d www.peers.test >/dev/null && $d www.peers.test AAAA +tcp >/dev/null && $d none.test A >/dev/null && $d peers.test MX >/dev/null && $d TXT txt.peers.test +noedns >/dev/null && $d +tcp +keepopen www.peers.test A none.test MX >/dev/null && $d -x 192.0.2.7 >/dev/null`,
		sure: "MX",
	},
	{
		name: "getent-dnsmasq", client: "getent --version", server: "dnsmasq --version", must: true, ports: []int{53}, start: dnsmasq, protos: []string{"dns"},
		script: `getent ahosts www >/dev/null && getent hosts www.peers.test >/dev/null && ! getent ahosts none`, sure: "www.a.corp",
	},
	{
		name: "psql-postgres", client: "psql --version", server: "/usr/lib/postgresql/*/bin/postgres --version", ports: []int{5432}, start: postgres, protos: []string{"postgresql"}, also: "/usr/lib/postgresql/*/bin/pgbench setpriv",
		script: `export PGPASSWORD=geheim PGHOST=127.0.0.1 PGUSER=bob PGDATABASE=postgres
psql -q -c 'create table t (a int)' -c 'insert into t values (1), (2)' -c 'select a from t order by a' -c 'select 1; select 2' -c 'update t set a = 3' >/dev/null
psql -q -c 'select nothing from nowhere' 2>/dev/null; echo 1 | psql -q -c '\copy t from stdin'
pgbench -n -M extended -t 2 -f extended.sql 2>/dev/null >/dev/null && pgbench -n -M prepared -t 3 -f extended.sql >/dev/null 2>/dev/null
PGPASSWORD=wrong psql -c 'select 1' 2>/dev/null; true`,
		sure: "select a from t order by a",
	},
	{
		name: "redis", client: "redis-cli --version", server: "redis-server --version", also: "redis-benchmark", must: true, ports: []int{6379}, start: redis, protos: []string{"redis"},
		// Commands as arguments: reading them from a pipe, redis-cli first asks for COMMAND DOCS, and tcpdump beside other peers
		// may lose a part of that answer, which tshark then counts piece by piece (redis/testdata has it).
		script: `for c in "set a 1" "incr a" "get a" "get none" "lpush l x y z" "lrange l 0 -1" "incr l" "hset h k v k2 v2" "hgetall h"; do redis-cli $c >/dev/null; done
redis-benchmark -q -n 60 -P 4 -c 2 -t set,get >/dev/null`,
		sure: "LRANGE",
	},
	{
		name: "redis-resp3", client: "redis-cli --version", server: "redis-server --version", also: "redis-benchmark", must: true, ports: []int{6379}, start: redis, protos: []string{"redis 3"},
		script: `redis-cli -3 <<E >/dev/null
set a 1
hset h k v
hgetall h
E`,
		sure: "HGETALL",
	},
	{
		name: "mariadb", client: "mariadb --version", server: "mariadbd --version", also: "mariadb-install-db", ports: []int{3306}, start: mariadb, protos: []string{"mysql"},
		script: `m="mariadb --no-defaults -h 127.0.0.1 -u bob --skip-ssl -pgeheim"
$m shop -e 'create table t (a int); insert into t values (1), (2); select * from t; update t set a = 3; select count(*) from t where a > 1' >/dev/null
$m shop -e 'select * from nothing' 2>/dev/null; $m shop -e "prepare s from 'select ?+1'; execute s using 4" >/dev/null; mariadb --no-defaults -h 127.0.0.1 -u bob --skip-ssl -pwrong shop -e 'select 1' 2>/dev/null; true`,
		sure: "select count(*)",
	},
	{
		name: "memcached-text", client: "python3 --version", called: [2]string{"a script in python3", ""}, server: "memcached --version", must: true, ports: []int{11211}, start: memcached, protos: []string{"memcached"},
		script: `python3 client.py`, sure: "incr",
	},
	{
		name: "memcached-binary", client: "memccp --version", server: "memcached --version", ports: []int{11211}, start: memcached, protos: []string{"memcached"},
		script: `memccp --binary --servers=127.0.0.1 value.txt other.txt && memccat --binary --servers=127.0.0.1 value.txt >/dev/null && memcrm --binary --servers=127.0.0.1 value.txt; memccat --binary --servers=127.0.0.1 value.txt >/dev/null; true`,
		sure:   "set",
	},
	{
		name: "mosquitto", client: "mosquitto_pub --help", server: "mosquitto -h", also: "mosquitto_sub", must: true, ports: []int{1883}, start: mosquitto, protos: []string{"mqtt"},
		script: `mosquitto_sub -t 'rooms/#' -C 3 -q 2 -i sub >/dev/null & sleep 0.5
mosquitto_pub -t rooms/1 -m 20 -q 0 -i p0 && mosquitto_pub -t rooms/2 -m 21 -q 1 -r -i p1 && mosquitto_pub -V 5 -t rooms/3 -m 22 -q 2 -i p2 -u bob -P geheim; wait`,
		sure: "rooms/3",
	},
	{
		name: "amqp", client: "amqp-publish --help", server: "/usr/lib/rabbitmq/bin/rabbitmq-server", also: "amqp-get amqp-declare-queue erl", ports: []int{5672}, start: rabbitmq, limit: slow, protos: []string{"amqp"},
		script: `u="-u amqp://guest:guest@127.0.0.1:5672"
amqp-declare-queue $u -q jobs >/dev/null && amqp-publish $u -r jobs -b 'a job' && amqp-publish $u -r jobs -b "$(seq 3000)" && amqp-get $u -q jobs >/dev/null && amqp-delete-queue $u -q jobs >/dev/null; ! amqp-get $u -q none 2>/dev/null`,
		sure: "queue.declare",
	},
	{
		name: "curl-aiosmtpd", client: "curl --version", server: "/usr/bin/python3 -m aiosmtpd --version", called: [2]string{"", "aiosmtpd"}, also: "/usr/lib/python3/dist-packages/aiosmtpd", ports: []int{25}, start: aiosmtpd, protos: []string{"smtp"},
		script: `s="curl -s smtp://127.0.0.1/me.test --mail-from a@peers.test"
$s --mail-rcpt b@peers.test --mail-rcpt c@peers.test -T mail.txt && $s -X 'VRFY nobody'; curl -s smtp://127.0.0.1/ -X NOOP; true`,
		sure: "MAIL FROM",
	},
	{
		name: "curl-vsftpd", client: "curl --version", server: "vsftpd -v", must: true, ports: []int{21}, start: vsftpd, protos: []string{"ftp"},
		script: `curl -s ftp://127.0.0.1/notes.txt ftp://127.0.0.1/ >/dev/null && curl -s --disable-epsv ftp://127.0.0.1/notes.txt >/dev/null; curl -s ftp://127.0.0.1/none; curl -s -T client.conf ftp://127.0.0.1/x; true`,
		sure:   "RETR notes.txt",
	},
	{
		name: "ssh", client: "ssh -V", server: "/usr/sbin/sshd", also: "ssh-keygen", must: true, ports: []int{22}, start: sshd, protos: []string{"ssh"},
		script: `s="ssh -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o LogLevel=error -i user root@127.0.0.1"
$s true && $s -c aes128-ctr -m hmac-sha2-256 -o KexAlgorithms=diffie-hellman-group-exchange-sha256 true && $s -o KexAlgorithms=ecdh-sha2-nistp256 true`,
		sure: "SSH-2.0",
	},
	{
		name: "ldap", client: "ldapsearch -VV", server: "slapd -VV", also: "ldapadd ldapmodify ldapdelete", must: true, ports: []int{389}, start: slapd, protos: []string{"ldap"},
		script: `a="-x -H ldap://127.0.0.1 -D cn=admin,dc=peers,dc=test -w geheim"
ldapadd $a -f people.ldif >/dev/null && ldapsearch -x -H ldap://127.0.0.1 -b dc=peers,dc=test '(&(objectClass=person)(cn=b*)(!(sn=X)))' cn >/dev/null
printf 'dn: cn=bob,dc=peers,dc=test\nchangetype: modify\nreplace: sn\nsn: Y\n' | ldapmodify $a >/dev/null; ldapsearch $a -s base -b dc=none x >/dev/null 2>&1; ldapcompare $a cn=bob,dc=peers,dc=test sn:Y >/dev/null
ldapwhoami $a >/dev/null; ldapdelete $a cn=bob,dc=peers,dc=test; ldapwhoami -x -H ldap://127.0.0.1 -D cn=admin,dc=peers,dc=test -w wrong 2>/dev/null; true`,
		sure: "code=49",
	},
	{
		name: "python-prosody", client: "python3 --version", called: [2]string{"a script in python3", ""}, server: "prosody", ports: []int{5222}, start: prosody, protos: []string{"xmpp"},
		script: `python3 client.py`, sure: "message",
	},
	{
		name: "curl-ssh-socks", client: "curl --version", server: "ssh -V", also: "/usr/sbin/sshd python3", must: true, ports: []int{1080}, start: sshDynamic, protos: []string{"socks"},
		script: `curl -s --socks5 127.0.0.1 http://127.0.0.1/ && curl -s --socks5-hostname 127.0.0.1 http://localhost/ && curl -s --socks4a 127.0.0.1 http://localhost/none && curl -s --socks4 127.0.0.1 http://127.0.0.1/; curl -s --socks5 127.0.0.1 http://127.0.0.1:81/; true`,
		sure:   "CONNECT",
	},
	{
		name: "curl-microsocks", client: "curl --version", server: "microsocks", also: "python3", ports: []int{1080}, start: microsocks, protos: []string{"socks"},
		script: `curl -s --proxy socks5h://bob:geheim@127.0.0.1 http://localhost/ && ! curl -s --proxy socks5://bob:wrong@127.0.0.1 http://127.0.0.1/ && ! curl -s --proxy socks5h://bob:geheim@127.0.0.1 http://127.0.0.1:81/`,
		sure:   "CONNECT",
	},
	{
		name: "adb", client: "adb", protos: []string{"adb"}, unusable: "no device side can be installed; adb and its own server speak another protocol", until: "adbd",
	},
	{
		name: "grpc-go", client: "go @ google.golang.org/grpc", server: "go @ google.golang.org/grpc", called: [2]string{"grpc-go", "grpc-go"}, must: true, ports: []int{50051}, start: grpcGo, protos: []string{"grpc"}, decode: []string{"-d", "tcp.port==50051,http2"},
		script: `./gopeers grpc-client`, sure: "/grpc.health.v1.Health/Check",
	},
	{
		name: "kafka", client: "go @ github.com/twmb/franz-go", server: "go @ github.com/twmb/franz-go/pkg/kfake", must: true, ports: []int{9092}, start: kfake, protos: []string{"kafka"},
		script: `./gopeers kafka-client`, sure: "Produce",
	},
	{
		name: "mongodb", client: "go @ go.mongodb.org/mongo-driver/v2", server: "go", called: [2]string{"mongo-driver", "of the test: no real one can be installed"}, must: true, ports: []int{27017}, start: func(r *room) { r.serve("27017", goPeers(r), "mongo-server") }, protos: []string{"mongodb"}, decode: []string{"-d", "tcp.port==27017,mongo"},
		script: `./gopeers mongo-client`, sure: "insert",
	},
	{
		name: "websocket", client: "go @ golang.org/x/net", server: "go @ golang.org/x/net", called: [2]string{"golang.org/x/net", "golang.org/x/net"}, must: true, ports: []int{8080}, start: func(r *room) { r.serve("8080", goPeers(r), "websocket-server") }, protos: []string{"http", "websocket"},
		script: `./gopeers websocket-client`, sure: "",
	},
}
