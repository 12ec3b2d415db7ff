# The variants: each row is a name, the causes that may come first (ok: none must), and what makes it. run sources this file
# with lib/case.sh, and evaluates one row in a shell of its own. Parameters vary: family, side, port, client, delay, rate.
#
# shellcheck disable=SC2034,SC2016
client() { echo "$PY $LIB/client.py $*"; }
there=10.9.0.2 six=2001:db8:9::2

# --- not connected
for c in "nc -w 3 $there 7001" "curl -sS -m 3 http://$there:8081/" "nc -w 3 $six 443" "$(client get port=9000)" "$(client raw port=5432 host=$six)"; do
	row "refused: $c" connect-refused 'two_nets; watch $(in_net a) '"$c"
done
row "refused: here" connect-refused 'one_net; watch $(in_net a) curl -sS http://127.0.0.1:8080/'
row "refused: listens elsewhere" connect-refused 'one_net; serve a http port=80 bind=127.0.0.2; watch $(in_net a) curl -sS http://127.0.0.1/'
row "storm" "connect-refused" 'two_nets; watch $(in_net a) $(client storm n=80 port=7000)'
for c in "nc -w 4 $there 7001" "curl -sS -m 4 http://$there:8081/" "nc -w 4 $six 443" "$(client raw port=5432 timeout=5)"; do
	row "black hole: $c" syn-blackhole 'far_nets delay=5 drop="proto==6"; watch $(in_net a) '"$c"
done
row "black hole: only one port" syn-blackhole 'far_nets delay=20 drop="dport==8443"; serve b http port=80; watch $(in_net a) curl -sS -m 4 http://$there:8443/'
row "black hole: answers lost" syn-blackhole 'far_nets delay=5 drop="sport==80"; serve b http port=80; watch $(in_net a) curl -sS -m 4 http://$there/'
for r in "icmp type admin-prohibited" "icmp type port-unreachable" "icmpx type host-unreachable"; do
	row "reject: $r" "firewall-reject host-unreachable" 'two_nets; at b nft "add table inet f; add chain inet f i { type filter hook input priority 0; }; add rule inet f i tcp dport 8080 reject with '"$r"'"; serve b http port=8080; watch $(in_net a) curl -sS -m 3 http://$there:8080/'
done
row "reject: IPv6" firewall-reject 'two_nets; at b nft "add table inet f; add chain inet f i { type filter hook input priority 0; }; add rule inet f i tcp dport 8080 reject with icmpv6 type admin-prohibited"; serve b http port=8080 bind=::; watch $(in_net a) nc -w 3 $six 8080'
row "reject: by RST, here" firewall-reject 'one_net; at a nft "add table inet f; add chain inet f i { type filter hook input priority 0; }; add rule inet f i tcp dport 8080 reject with tcp reset"; serve a http port=8080; watch $(in_net a) curl -sS -m 3 http://127.0.0.1:8080/'
row "reject: by RST, there" "firewall-reject connect-refused" 'two_nets; at b nft "add table inet f; add chain inet f i { type filter hook input priority 0; }; add rule inet f i tcp dport 8080 reject with tcp reset"; serve b http port=8080; watch $(in_net a) curl -sS -m 3 http://$there:8080/'
row "drop here: output" firewall-drop-local 'two_nets; at a nft "add table inet f; add chain inet f o { type filter hook output priority 0; }; add rule inet f o tcp dport 8080 drop"; watch $(in_net a) curl -sS -m 3 http://$there:8080/'
row "drop here: output, IPv6" firewall-drop-local 'two_nets; at a nft "add table inet f; add chain inet f o { type filter hook output priority 0; }; add rule inet f o ip6 daddr '$six' drop"; watch $(in_net a) nc -w 3 $six 80'
row "drop here: input" "firewall-drop-local reply-dropped-local" 'two_nets; serve b http port=80; at a nft "add table inet f; add chain inet f i { type filter hook input priority 0; }; add rule inet f i tcp sport 80 drop"; watch $(in_net a) curl -sS -m 3 http://$there/'
row "drop here: loopback" firewall-drop-local 'one_net; serve a http port=80; at a nft "add table inet f; add chain inet f i { type filter hook input priority 0; }; add rule inet f i tcp dport 80 drop"; watch $(in_net a) curl -sS -m 3 http://127.0.0.1/'
row "drop here: UDP" firewall-drop-local 'two_nets; at a nft "add table inet f; add chain inet f o { type filter hook output priority 0; }; add rule inet f o udp dport 5000 drop"; watch $(in_net a) $(client udp port=5000 wait=1 timeout=1)'
row "denied: seccomp" denied-by-policy 'two_nets; serve b http port=80; watch $(in_net a -f seccomp) $(client get)'
row "denied: Landlock" denied-by-policy 'two_nets; serve b http port=80; watch $(in_net a -f landlock) curl -sS http://$there/'
row "no route" no-route 'one_net; watch $(in_net a) curl -sS -m 3 http://192.0.2.1/'
row "no route: UDP" no-route 'one_net; watch $(in_net a) $(client udp host=192.0.2.1 port=5000 connect=1)'
row "no route: unreachable" "no-route host-unreachable" 'two_nets; ip -n "$NS"a route add unreachable 192.0.2.0/24; watch $(in_net a) nc -w 3 192.0.2.1 80'
row "no host" host-unreachable 'two_nets; watch $(in_net a) curl -sS -m 5 http://10.9.0.77/'
row "no host: IPv6" host-unreachable 'two_nets; watch $(in_net a) nc -w 5 2001:db8:9::77 80'
row "checksum of the SYN-ACK" reply-dropped-local 'far_nets delay=5 change="d==\"ba\" and proto==6"; serve b http port=80; watch $(in_net a) curl -sS -m 3 http://$there/'
row "IPv6 is dead" ipv6-broken 'far_nets delay=5 drop="v==6"; serve b http port=80; resolver; printf "%s api.test\n%s api.test\n" $six $there >"$TMP/hosts"; watch $(in_net a $RESOLVER) $(client get host=api.test timeout=2)'
row "IPv6 is dead: wget" ipv6-broken 'far_nets delay=5 drop="v==6"; serve b http port=80; resolver; printf "%s api.test\n%s api.test\n" $six $there >"$TMP/hosts"; watch $(in_net a $RESOLVER) wget -q -T 2 -O /dev/null http://api.test/'
row "ports" ephemeral-ports-exhausted 'one_net; at a sysctl -qw net.ipv4.ip_local_port_range="32000 32010"; serve a tcp mode=hold port=80; watch $(in_net a) $(client hold n=20 host=127.0.0.1)'
row "descriptors" fd-limit 'one_net; serve a tcp mode=hold port=80; watch $(in_net a -l 12) $(client hold n=20 host=127.0.0.1)'
row "address: in use" address-in-use 'one_net; serve a http port=80; watch $(in_net a) $(client bind host=0.0.0.0)'
row "address: in use, UDP" address-in-use 'one_net; serve a udp mode=echo port=5000; watch $(in_net a) $(client bind host=0.0.0.0 port=5000 type=dgram)'
row "address: not here" address-not-local 'one_net; watch $(in_net a) $(client bind host=192.0.2.9)'
row "address: privileged" port-privileged 'one_net; at a sysctl -qw net.ipv4.ip_unprivileged_port_start=1024; watch $(in_net a -u 65534) $(client bind host=0.0.0.0 port=99)'
row "queue full: client" accept-queue-full 'one_net; serve a tcp port=6002 mode=listen backlog=1; for i in 1 2 3; do start $(in_net a) nc -w 9 127.0.0.1 6002; done; sleep 0.3; watch $(in_net a) nc -w 3 127.0.0.1 6002'
row "queue full: client, IPv6" accept-queue-full 'one_net; serve a tcp port=6002 mode=listen backlog=1 bind=::1; for i in 1 2 3; do start $(in_net a) nc -w 9 ::1 6002; done; sleep 0.3; watch $(in_net a) $(client raw host=::1 port=6002 timeout=3)'
row "queue full: server" accept-queue-full 'two_nets; serve b tcp port=6002 mode=listen backlog=1; srv=$pid; for i in 1 2 3 4 5; do later 1.5 $(in_net a) nc -w 4 $there 6002; done; watch_pid 5 $srv'

# --- names
names() { printf 'resolver "nameserver 127.0.0.1" "%s"; ' "${1:-timeout:1}"; }
for c in "getent ahosts api.test" "curl -sS -m 8 http://api.test/" "$PY -c 'import socket;socket.getaddrinfo(\"api.test\",80)'"; do
	row "names: silent: ${c%% *}" dns-silent 'one_net; resolver "nameserver 127.0.0.1" "options timeout:1 attempts:2"; serve a dns rule="*/*/silent"; watch $(in_net a $RESOLVER) '"$c"
	row "names: SERVFAIL: ${c%% *}" dns-servfail 'one_net; resolver "nameserver 127.0.0.1"; serve a dns rule="*/*/servfail"; watch $(in_net a $RESOLVER) '"$c"
	row "names: NXDOMAIN: ${c%% *}" dns-nxdomain 'one_net; resolver "nameserver 127.0.0.1"; serve a dns rule="*/*/nx"; watch $(in_net a $RESOLVER) '"$c"
	row "names: no server: ${c%% *}" dns-server-unreachable 'one_net; resolver "nameserver 127.0.0.1"; watch $(in_net a $RESOLVER) '"$c"
done
row "names: silent, then good" dns-silent 'one_net; serve a http port=80; resolver "nameserver 127.0.0.9" "nameserver 127.0.0.1" "options timeout:1"; serve a dns bind=127.0.0.9 rule="*/*/silent"; serve a dns bind=127.0.0.1 rule="*/A/127.0.0.1" rule="*/*/empty"; watch $(in_net a $RESOLVER) curl -sS http://api.test/'
row "names: refused" dns-servfail 'one_net; resolver "nameserver 127.0.0.1"; serve a dns rule="*/*/refused"; watch $(in_net a $RESOLVER) getent ahosts api.test'
row "names: no address" dns-nxdomain 'one_net; resolver "nameserver 127.0.0.1"; serve a dns rule="*/*/empty"; watch $(in_net a $RESOLVER) getent ahosts api.test'
row "names: AAAA silent" dns-aaaa-slow 'one_net; serve a http port=80; resolver "nameserver 127.0.0.1" "options timeout:1"; serve a dns rule="*/AAAA/silent" rule="*/A/127.0.0.1"; watch $(in_net a $RESOLVER) curl -sS -m 9 http://api.test/'
row "names: AAAA late" dns-aaaa-slow 'one_net; serve a http port=80; resolver "nameserver 127.0.0.1"; serve a dns rule="*/AAAA/empty@1.2" rule="*/A/127.0.0.1"; watch $(in_net a $RESOLVER) curl -sS -m 9 http://api.test/'
row "names: late" dns-slow 'one_net; serve a http port=80; resolver "nameserver 127.0.0.1"; serve a dns rule="*/A/127.0.0.1@0.9" rule="*/*/empty@0.9"; watch $(in_net a $RESOLVER) curl -sS -m 9 http://api.test/'
row "names: search" dns-search-fanout 'one_net; serve a http port=80; resolver "nameserver 127.0.0.1" "search a.test b.test c.test" "options ndots:5"; serve a dns rule="api.example/A/127.0.0.1" rule="api.example/AAAA/empty" rule="*/*/nx@0.3"; watch $(in_net a $RESOLVER) curl -sS -m 9 http://api.example/'
row "names: again and again" dns-repeated 'one_net; serve a http port=80; resolver "nameserver 127.0.0.1"; serve a dns rule="*/A/127.0.0.1@0.05" rule="*/*/empty@0.05"; watch $(in_net a $RESOLVER) $(client get host=api.test n=20 keep=0)'
row "names: TCP blocked" dns-tcp-blocked 'one_net; resolver "nameserver 127.0.0.1" "options timeout:1"; serve a dns rule="*/*/tc"; watch $(in_net a $RESOLVER) getent ahosts api.test'

# --- TLS
secure='cert api.test DNS:api.test; '
ask='--cacert "$TMP/ca.pem" --resolve api.test:8443:127.0.0.1 https://api.test:8443/'
for v in 1.2 1.3; do
	row "TLS $v: expired" "tls-cert-expired tls-cert-rejected" 'one_net; cert api.test DNS:api.test 20200101000000Z 20210101000000Z; serve a http port=8443 tls=api.test.pem tlsmin='$v' tlsmax='$v'; watch $(in_net a) curl -sS -m 5 '"$ask"
	row "TLS $v: not yet" "tls-cert-not-yet-valid tls-cert-rejected" 'one_net; cert api.test DNS:api.test 20400101000000Z 20410101000000Z; serve a http port=8443 tls=api.test.pem tlsmin='$v' tlsmax='$v'; watch $(in_net a) curl -sS -m 5 '"$ask"
	row "TLS $v: untrusted" "tls-cert-untrusted tls-cert-rejected" 'one_net; '"$secure"'serve a http port=8443 tls=api.test.pem tlsmin='$v' tlsmax='$v'; watch $(in_net a) curl -sS -m 5 --resolve api.test:8443:127.0.0.1 https://api.test:8443/'
	row "TLS $v: other name" "tls-name-mismatch tls-cert-rejected" 'one_net; cert api.test DNS:www.test; serve a http port=8443 tls=api.test.pem tlsmin='$v' tlsmax='$v'; watch $(in_net a) curl -sS -m 5 '"$ask"
	row "TLS $v: client's certificate" tls-client-cert-required 'one_net; '"$secure"'serve a http port=8443 tls=api.test.pem client=ca.pem tlsmin='$v' tlsmax='$v'; watch $(in_net a) curl -sS -m 5 '"$ask"
done
row "TLS: wget, untrusted" "tls-cert-untrusted tls-cert-rejected" 'one_net; '"$secure"'serve a http port=8443 tls=api.test.pem; printf "127.0.0.1 api.test\n" >"$TMP/h"; resolver; cp "$TMP/h" "$TMP/hosts"; watch $(in_net a $RESOLVER) wget -q -T 5 -t 1 -O /dev/null https://api.test:8443/'
row "TLS: version" tls-version-mismatch 'one_net; '"$secure"'serve a http port=8443 tls=api.test.pem tlsmin=1.3; watch $(in_net a) curl -sS -m 5 --tls-max 1.2 '"$ask"
row "TLS: version, other way" tls-version-mismatch 'one_net; '"$secure"'serve a http port=8443 tls=api.test.pem tlsmax=1.2; watch $(in_net a) openssl s_client -connect 127.0.0.1:8443 -tls1_3'
row "TLS: name" tls-sni-unknown 'one_net; '"$secure"'serve a http port=8443 tls=api.test.pem sni=www.test; watch $(in_net a) curl -sS -m 5 '"$ask"
row "TLS: plain to it" plain-to-tls-port 'one_net; '"$secure"'serve a http port=8443 tls=api.test.pem; watch $(in_net a) curl -sS -m 5 http://127.0.0.1:8443/'
row "TLS: to plain HTTP" tls-to-plain-port 'one_net; serve a tcp mode=banner text="HTTP/1.1 400 Bad Request" port=8080; watch $(in_net a) curl -sS -m 5 https://127.0.0.1:8080/'
row "TLS: to a banner" tls-to-plain-port 'one_net; serve a tcp mode=banner text="220 mail.test ESMTP" port=25; watch $(in_net a) curl -sS -m 5 https://127.0.0.1:25/'
row "TLS: stalled" tls-handshake-stalled 'one_net; serve a tcp mode=hold port=8443; watch $(in_net a) curl -sS -m 3 https://127.0.0.1:8443/'
row "TLS: stalled, openssl" tls-handshake-stalled 'two_nets; serve b tcp mode=hold port=443; watch $(in_net a) timeout 3 openssl s_client -connect $there:443'
row "other protocol: HTTP to SSH" "protocol-mismatch" 'one_net; serve a tcp mode=banner text=SSH-2.0-OpenSSH_9.2 port=22; watch $(in_net a) curl -sS -m 4 http://127.0.0.1:22/'

# --- slow
for s in 0.6 1.5; do
	row "server: thinks $s s" server-slow 'two_nets; serve b http port=80 think='$s'; watch $(in_net a) curl -sS http://$there/'
done
row "server: thinks, IPv6, wget" server-slow 'two_nets; serve b http port=80 think=1 bind=::; watch $(in_net a) wget -q -O /dev/null "http://[$six]/"'
row "server: thinks, many" server-slow 'two_nets; serve b http port=80 think=0.12; watch $(in_net a) $(client get n=12)'
row "server: thinks, TLS" server-slow 'one_net; '"$secure"'serve a http port=8443 tls=api.test.pem think=1; watch $(in_net a) curl -sS -m 5 '"$ask"
row "server: in pieces" server-slow 'two_nets; serve b http port=80 body=2000 drip=200/0.2; watch $(in_net a) curl -sS http://$there/'
row "server: gives up waiting" server-slow 'two_nets; serve b http port=80 think=9; watch $(in_net a) curl -sS -m 2 http://$there/'
row "server: no protocol" server-slow 'two_nets; serve b tcp mode=echo size=10 reply=40 think=0.4 port=6004; watch $(in_net a) $(client turns n=4 port=6004)'
for d in 40 120; do
	row "path: $d ms" network-latency 'far_nets delay='$d'; serve b http port=80; watch $(in_net a) curl -sS http://$there/'
	row "path: $d ms, TLS" network-latency 'far_nets delay='$d'; '"$secure"'serve b http port=8443 tls=api.test.pem; watch $(in_net a) curl -sS --cacert "$TMP/ca.pem" --resolve api.test:8443:$there https://api.test:8443/'
done
row "path: turns" serial-round-trips 'far_nets delay=25; serve b http port=80; watch $(in_net a) $(client get n=30)'
row "path: turns, no protocol" serial-round-trips 'far_nets delay=20; serve b tcp mode=echo size=10 reply=40 port=6004 nodelay=1; watch $(in_net a) $(client turns n=40 port=6004 nodelay=1)'
row "path: connections" no-connection-reuse 'far_nets delay=25; serve b http port=80 keep=0; watch $(in_net a) $(client get n=20 keep=0)'
row "path: loss, receiving" packet-loss 'far_nets delay=15 drop="d==\"ba\" and data and n%7==3"; serve b http port=80 body=400000; watch $(in_net a) curl -sS -m 20 -o /dev/null http://$there/'
row "path: loss, sending" packet-loss 'far_nets delay=15 drop="d==\"ab\" and data and n%6==3"; serve b tcp mode=sink port=80; watch $(in_net a) $(client push total=300000)'
row "path: damage, receiving" packet-corruption 'far_nets delay=15 change="d==\"ba\" and data and n%4==3"; serve b http port=80 body=400000; watch $(in_net a) curl -sS -m 20 -o /dev/null http://$there/'
row "path: large ones, sending" pmtu-blackhole 'far_nets delay=5 drop="size>1200"; serve b http port=80; head -c 40000 /dev/zero >"$TMP/body"; watch $(in_net a) curl -sS -m 5 -H "Expect: 100-continue" --data-binary "@$TMP/body" http://$there/'
row "path: large ones, receiving" "pmtu-blackhole server-slow" 'far_nets delay=5 drop="d==\"ba\" and size>1300"; serve b http port=80 body=4000; watch $(in_net a) curl -sS -m 5 http://$there/'
row "path: narrow, receiving" "bandwidth-limited bufferbloat" 'far_nets delay=10 rate=2000 queue=30; serve b http port=80 body=500000; watch $(in_net a) curl -sS -m 20 -o /dev/null http://$there/'
row "path: narrow, sending" "bandwidth-limited bufferbloat" 'far_nets delay=10 rate=2000 queue=60; serve b tcp mode=sink port=80; watch $(in_net a) $(client push total=500000)'
row "path: bloated" "bufferbloat" 'far_nets delay=10 rate=1500 queue=1000; serve b tcp mode=sink port=80; watch $(in_net a) $(client push total=700000)'
row "queue of the device" qdisc-drop 'two_nets; at a tc qdisc add dev eth0 root tbf rate 2mbit burst 4kb limit 6kb; serve b tcp mode=sink port=80; watch $(in_net a) $(client push total=700000)'
row "process: reads late" app-not-reading 'two_nets; serve b tcp mode=blast body=12000000 port=80; watch $(in_net a) $(client pull total=12000000 size=2000000 pause=0.3)'
row "process: reads late, busy" app-not-reading 'two_nets; serve b tcp mode=blast body=12000000 port=80; watch $(in_net a) $(client pull total=12000000 size=2000000 pause=0.3 how=busy)'
row "peer reads late" peer-not-reading 'two_nets; serve b tcp mode=slow chunk=65536 think=0.15 port=80 rcvbuf=65536; watch $(in_net a) $(client push total=3000000)'
row "send buffer" sndbuf-limited 'far_nets delay=30; serve b tcp mode=sink port=80; watch $(in_net a) $(client push total=300000 sndbuf=8192)'
row "receive buffer" rcvbuf-limited 'far_nets delay=30; serve b tcp mode=blast body=300000 port=80; watch $(in_net a) $(client pull total=300000 rcvbuf=4096)'
row "congestion window" cwnd-limited 'far_nets delay=100; serve b tcp mode=sink port=80; watch $(in_net a) $(client push total=400000)'
row "small writes" nagle-delayed-ack 'two_nets; serve b tcp mode=echo size=20 reply=40 port=6004; watch $(in_net a) $(client turns n=50 parts=2 port=6004)'
row "small writes, more" nagle-delayed-ack 'one_net; serve a tcp mode=echo size=30 reply=40 port=6004; watch $(in_net a) $(client turns n=60 parts=3 host=127.0.0.1 port=6004)'
row "cork" cork-delay 'two_nets; serve b tcp mode=echo size=10 reply=40 port=6004; watch $(in_net a) $(client turns n=8 cork=1 port=6004)'
row "tiny writes" tiny-writes 'two_nets; serve b tcp mode=sink port=80; watch $(in_net a) $(client push total=60000 size=1 nodelay=1)'
row "tiny reads" tiny-reads 'two_nets; serve b tcp mode=blast body=200000 port=80; watch $(in_net a) $(client pull total=200000 size=1)'
row "busy loop" "busy-loop" 'two_nets; serve b http port=80 think=1.2; watch $(in_net a) $(client poll)'
for how in sleep select; do row "program: $how" "app-sleeping" 'two_nets; serve b http port=80; watch $(in_net a) $(client get n=4 pause=0.5 how='$how')'; done
row "program: sleeps, new connections" "app-sleeping" 'two_nets; serve b http port=80; watch $(in_net a) $(client get n=4 pause=0.5 keep=0)'
row "program: busy" app-busy 'two_nets; serve b http port=80; watch $(in_net a) $(client get n=4 pause=0.5 how=busy)'
row "program: busy, new connections" app-busy 'two_nets; serve b http port=80; watch $(in_net a) $(client get n=4 pause=0.5 how=busy keep=0)'
for how in lock join; do row "program: $how" "app-lock-wait app-waiting" 'two_nets; serve b http port=80; watch $(in_net a) $(client get n=4 pause=0.5 how='$how')'; done
row "program: waits for a child" "app-waiting" 'two_nets; serve b http port=80; watch $(in_net a) $(client get n=4 pause=0.5 how=child)'
row "several listeners" reuseport-imbalance 'one_net; cat >"$TMP/s.py" <<P
import socket,sys,time,os
def l():
    s=socket.socket(); s.setsockopt(1,15,1); s.bind(("127.0.0.1",8080)); s.listen(50); return s
a,b=l(),l(); open(sys.argv[1],"w").close()
while True:
    c,_=b.accept(); c.recv(1000); c.send(b"HTTP/1.1 200 OK\\r\\nContent-Length: 2\\r\\nConnection: close\\r\\n\\r\\nok"); c.close()
P
start $(in_net a) $PY "$TMP/s.py" "$TMP/up"; ready "$TMP/up"; watch $(in_net a) sh -c "for i in 1 2 3 4 5 6 7 8; do curl -s -m 1 http://127.0.0.1:8080/; done; true"'

# --- ends
row "end: reset in the middle" "peer-reset" 'two_nets; serve b http port=80 body=50000 cut=20000/rst; watch $(in_net a) curl -sS -m 4 -o /dev/null http://$there/'
row "end: reset after the request" "peer-reset" 'two_nets; serve b http port=80 early=rst; watch $(in_net a) $(client get)'
row "end: closed after the request" peer-closed-early 'two_nets; serve b http port=80 early=fin; watch $(in_net a) curl -sS -m 4 http://$there/'
row "end: closed, no protocol" "peer-closed-early peer-reset" 'two_nets; serve b tcp mode=fin think=0.2 port=80; watch $(in_net a) curl -sS -m 4 http://$there/'
row "end: cut" response-truncated 'two_nets; serve b http port=80 body=50000 cut=20000/fin; watch $(in_net a) curl -sS -m 4 -o /dev/null http://$there/'
row "end: too short" response-truncated 'two_nets; serve b http port=80 lie=500 keep=0; watch $(in_net a) curl -sS -m 4 -o /dev/null http://$there/'
row "end: stale" stale-connection-reused 'two_nets; serve b http port=80 idle=0.6; watch $(in_net a) $(client get n=2 pause=1.2 method=POST body=10)'
row "end: idle, dropped" idle-connection-dropped 'far_nets delay=5 drop="t>1.5 and proto==6"; serve b http port=80; watch $(in_net a) $(client get n=2 pause=2.5 timeout=4)'
row "end: vanished, sending" "peer-vanished" 'far_nets delay=10 rate=3000 drop="t>1.0"; serve b tcp mode=sink port=80; watch $(in_net a) timeout 5 $(client push total=3000000)'
row "end: unread" "closed-with-unread-data" 'two_nets; cat >"$TMP/s.py" <<P
import socket,sys,time
l=socket.socket(); l.setsockopt(1,2,1); l.bind(("0.0.0.0",80)); l.listen(5); open(sys.argv[1],"w").close()
while True:
    c,_=l.accept(); c.recv(10); time.sleep(0.2); c.send(b"HTTP/1.1 413 Too Large\\r\\nContent-Length: 0\\r\\n\\r\\n"); c.close()
P
start $(in_net b) $PY "$TMP/s.py" "$TMP/up"; srv=$pid; ready "$TMP/up"; later 1.2 $(in_net a) curl -s -m 3 --data "$(head -c 5000 /dev/zero | tr "\0" x)" http://$there/; watch_pid 3 $srv'
row "end: write after it" "write-after-close peer-reset stale-connection-reused" 'two_nets; serve b tcp mode=fin think=0.1 port=80; watch $(in_net a) $PY -c "
import socket,time
s=socket.create_connection((\"$there\",80)); time.sleep(0.4)
s.send(b\"x\"); time.sleep(0.2); s.send(b\"y\")"'
row "end: leak" close-wait-leak 'two_nets; start $(in_net b) $(client leak port=7000 for=9 up=$TMP/up); srv=$pid; ready "$TMP/up"; later 0.8 $(in_net a) sh -c "for i in 1 2 3 4 5 6 7 8; do echo x | nc -N -w 1 $there 7000 & done; wait"; watch_pid 4 $srv'

# --- UDP, unix, netlink
row "UDP: refused" udp-refused 'two_nets; watch $(in_net a) $(client udp port=5000 wait=1 timeout=1 connect=1)'
row "UDP: refused, IPv6" udp-refused 'two_nets; watch $(in_net a) $(client udp host=$six port=5000 wait=1 timeout=1 connect=1)'
row "UDP: silent" udp-no-answer 'two_nets; serve b udp mode=silent port=5000; watch $(in_net a) $(client udp port=5000 wait=1 timeout=0.8 n=3)'
row "UDP: too big" message-too-big 'two_nets; watch $(in_net a) $(client udp port=5000 size=70000)'
row "UDP: overflow" udp-receive-overflow 'two_nets; start $(in_net b) $PY -c "
import socket,time
s=socket.socket(2,2); s.setsockopt(1,8,4096); s.bind((\"0.0.0.0\",5000))
while True: s.recv(2000); time.sleep(0.02)"; srv=$pid; sleep 0.3; later 1 $(in_net a) $(client udp port=5000 n=200 size=900 pause=0.001); watch_pid 3 $srv'
row "unix: missing" unix-socket-missing 'one_net; watch $(in_net a) $(client unix path=$TMP/none)'
row "unix: missing, curl" unix-socket-missing 'one_net; watch $(in_net a) curl -sS --unix-socket $TMP/none http://x/'
row "unix: abandoned" unix-socket-refused 'one_net; serve a unix path=s type=stream mode=stale; watch $(in_net a) $(client unix path=$TMP/s)'
row "unix: not allowed" unix-socket-denied 'one_net; serve a unix path=s type=stream mode=hold; chmod 700 $TMP/s; watch $(in_net a -u 65534) curl -sS --unix-socket $TMP/s http://x/'
row "unix: queue full" unix-backlog-full 'one_net; serve a unix path=s type=stream mode=listen; for i in $(seq 140); do start $(client unix path=$TMP/s wait=1); done 2>/dev/null; sleep 1.5; watch $(in_net a) $(client unix path=$TMP/s timeout=2)'
row "unix: not read" unix-peer-not-reading 'one_net; serve a unix path=s type=stream mode=hold; watch $(in_net a) $(client unix path=$TMP/s n=400 size=4000 timeout=2)'
row "unix: not read, datagrams" unix-peer-not-reading 'one_net; serve a unix path=s type=dgram mode=hold; watch $(in_net a) $(client unix path=$TMP/s type=dgram n=900 size=400 timeout=2)'
row "netlink" netlink-overflow 'one_net; watch $(in_net a) $(client netlink)'

# --- HTTP and proxies
for s in 500 502 503 504; do row "HTTP: $s" http-server-error 'two_nets; serve b http port=80 status='$s'; watch $(in_net a) curl -sSf http://$there/'; done
row "HTTP: 429" http-rate-limited 'two_nets; serve b http port=80 status=429 header="Retry-After: 1"; watch $(in_net a) curl -sSf http://$there/'
row "HTTP: 429, waits" http-rate-limited 'two_nets; serve b http port=80 status=429 first=2 header="Retry-After: 1"; watch $(in_net a) $(client get tries=4 pause=0.8 fail=1)'
row "HTTP: 403" http-client-error 'two_nets; serve b http port=80 status=403; watch $(in_net a) curl -sSf http://$there/'
row "HTTP: redirects" http-redirect-loop 'two_nets; serve b http port=80 status=302 header="Location: /"; watch $(in_net a) curl -sSL --max-redirs 20 http://$there/'
row "proxy: refused" proxy-misconfigured 'two_nets; serve b http port=80; watch $(in_net a) env http_proxy=http://$there:8888 curl -sS -m 3 http://$there/'
row "proxy: no name" proxy-misconfigured 'one_net; serve a http port=80; resolver "nameserver 127.0.0.1"; serve a dns rule="*/*/nx"; watch $(in_net a $RESOLVER) env ALL_PROXY=http://proxy.test:3128 curl -sS -m 3 http://127.0.0.1/'
row "proxy: black hole, wget" proxy-misconfigured 'far_nets delay=5 drop="dport==3128"; serve b http port=80; watch $(in_net a) env http_proxy=$there:3128 wget -q -T 3 -t 1 -O /dev/null http://$there/'
row "proxy: Python" proxy-misconfigured 'two_nets; serve b http port=80; watch $(in_net a) env HTTP_PROXY=http://$there:8888 http_proxy=http://u:p@$there:8888 $PY -c "import urllib.request; urllib.request.urlopen(\"http://$there/\")"'

# --- fine
row "fine: curl" ok 'two_nets; serve b http port=80 body=100000; watch $(in_net a) curl -sS -o /dev/null http://$there/'
row "fine: TLS" ok 'one_net; '"$secure"'serve a http port=8443 tls=api.test.pem; watch $(in_net a) curl -sS -m 5 '"$ask"
row "fine: many requests" ok 'two_nets; serve b http port=80; watch $(in_net a) $(client get n=200)'
row "fine: many connections" ok 'two_nets; serve b http port=80 keep=0; watch $(in_net a) $(client get n=100 keep=0)'
row "fine: 404 to HEAD" ok 'two_nets; serve b http port=80 status=404; watch $(in_net a) curl -sSI http://$there/'
row "fine: tries again" ok 'two_nets; later 0.9 $(in_net b) $PY $LIB/serve.py http port=80 ready=$TMP/late; watch $(in_net a) sh -c "i=0; while [ \$i -lt 60 ]; do curl -s -m 1 http://$there/ && exit; i=\$((i+1)); sleep 0.05; done"'
row "fine: one loss" ok 'far_nets delay=2 drop="d==\"ba\" and data and n==20"; serve b http port=80 body=200000; watch $(in_net a) curl -sS -o /dev/null http://$there/'
row "fine: IPv6 refused, then IPv4" ok 'one_net; serve a http port=80; resolver; printf "::1 api.test\n127.0.0.1 api.test\n" >"$TMP/hosts"; watch $(in_net a $RESOLVER) curl -sS http://api.test/'
row "fine: NXDOMAIN, then found" ok 'one_net; serve a http port=80; resolver "nameserver 127.0.0.1" "search a.test b.test"; serve a dns rule="api.b.test/A/127.0.0.1" rule="*/*/nx"; watch $(in_net a $RESOLVER) curl -sS http://api/'
row "fine: server" ok 'two_nets; serve b http port=80; srv=$pid; later 0.8 $(in_net a) $(client get n=20); watch_pid 3 $srv'
row "fine: UDP that wants no answer" ok 'two_nets; serve b udp mode=silent port=8125; watch $(in_net a) $(client udp port=8125 n=50 pause=0.01)'
row "fine: a big file" ok 'two_nets; serve b http port=80 body=20000000; watch $(in_net a) curl -sS -o /dev/null http://$there/'
row "fine: sends much" ok 'two_nets; serve b tcp mode=sink port=80; watch $(in_net a) $(client push total=50000000)'
row "fine: Python look-ups" ok 'one_net; serve a http port=80; resolver "nameserver 127.0.0.1"; serve a dns rule="*/A/127.0.0.1" rule="*/*/empty"; watch $(in_net a $RESOLVER) $(client get host=api.test n=3 keep=0)'
row "fine: nothing" ok 'one_net; watch $(in_net a) sleep 0.7'
row "fine: computes only" ok 'one_net; watch $(in_net a) $PY -c "sum(i*i for i in range(6000000))"'
row "fine: reset by us" ok 'two_nets; serve b http port=80 body=2000000; watch $(in_net a) sh -c "curl -s http://$there/ | head -c 1000 >/dev/null; true"'
row "fine: unix" ok 'one_net; serve a unix path=s type=stream mode=echo; watch $(in_net a) $(client unix path=$TMP/s n=1 wait=1)'
