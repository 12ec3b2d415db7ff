//go:build linux

package peers

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

func init() {
	oracles["smtp"] = &oracle{name: []string{"smtp"}, fields: "command with arguments; code and text of the first line", truth: smtpTruth, ours: lineOurs}
	oracles["ftp"] = &oracle{name: []string{"ftp"}, fields: "command with arguments; code and text of the first line", truth: ftpTruth, ours: lineOurs}
	oracles["ssh"] = &oracle{name: []string{"ssh"}, fields: "version; key exchange, host key, ciphers, MACs", truth: sshTruth, ours: sshOurs}
	oracles["socks"] = &oracle{name: []string{"socks"}, fields: "version, command, target, user; whether it succeeded", truth: socksTruth, ours: socksOurs}
	oracles["tls"] = &oracle{name: []string{"tls"}, fields: "SNI, ALPN, versions, JA4 (computed here: this tshark has none); version, cipher, ALPN; alerts", truth: tlsTruth, ours: tlsOurs}
	oracles["grpc"] = &oracle{name: []string{"grpc"}, fields: "stream, path, authority; grpc-status", truth: grpcTruth, ours: grpcOurs}
}

// replies groups lines of an answer: "250-a", "250 b".
type replies struct {
	first   string
	greeted map[string]bool
}

func (r *replies) line(f *frame, line string, out func(kind, text string)) {
	line = strings.TrimRight(line, "\r\n ")
	line = strings.TrimSuffix(strings.TrimSuffix(line, `\n`), `\r`)
	if r.first == "" {
		r.first = line
	}
	if len(line) > 3 && line[3] != ' ' || len(line) < 3 {
		return // not the last
	}
	if _, err := strconv.Atoi(line[:3]); err != nil {
		return
	}
	kind := "answer"
	if !r.greeted[f.stream] || line[0] == '1' {
		kind = "notice"
	}
	r.greeted[f.stream] = true
	text := r.first
	if len(text) > 3 {
		text = text[:3] + " " + text[4:]
	}
	out(kind, strings.TrimSpace(text))
	r.first = ""
}

func smtpTruth(frames []*frame) []said {
	r := &replies{greeted: map[string]bool{}}
	return each("smtp", func(f *frame, n *node, out func(kind, text string)) {
		for _, k := range n.all("smtp.command_line") {
			out("request", strings.TrimRight(strings.TrimSuffix(k.Show, `\r\n`), "\r\n "))
		}
		if n.has("smtp.eom") {
			out("request", "message")
		}
		for _, k := range n.all("smtp.response") {
			r.line(f, k.Show, out)
		}
	})(frames)
}

func ftpTruth(frames []*frame) []said {
	r := &replies{greeted: map[string]bool{}}
	return each("ftp", func(f *frame, n *node, out func(kind, text string)) {
		for i := range n.Kids {
			k := &n.Kids[i]
			if k.Name != "" {
				continue
			}
			if !f.client {
				r.line(f, k.Show, out)
				continue
			}
			text := k.get("ftp.request.command")
			if arg := k.get("ftp.request.arg"); text == "PASS" {
				text = "PASS ***"
			} else if arg != "" {
				text += " " + arg
			}
			out("request", text)
		}
	})(frames)
}

func lineOurs(m *message, _ []*message) (string, bool) {
	return m.text, true
}

// sshTruth computes what was agreed on: the first of the client's list that is also in the server's.
func sshTruth(frames []*frame) (list []said) {
	sessions := map[string]*sshSession{}
	for _, f := range frames {
		s := sessions[f.stream]
		if s == nil {
			s = &sshSession{}
			sessions[f.stream] = s
		}
		for i := range f.Kids {
			n := &f.Kids[i]
			if n.Name != "ssh" {
				continue
			}
			for _, v := range n.values("ssh.protocol") {
				list = append(list, said{f.client, "notice", v})
			}
			if n.has("ssh.kex_algorithms") {
				if f.client {
					s.client = n
				} else {
					s.server = n
				}
			}
			for _, code := range n.all("ssh.message_code") {
				switch {
				case f.client && (code.Show == "30" || code.Show == "34"):
					if code.Show == "34" || !strings.Contains(s.agreed("ssh.kex_algorithms"), "group-exchange") {
						list = append(list, said{true, "request", "key exchange"})
					}
				case !f.client && (code.Show == "33" || code.Show == "31" && !strings.Contains(s.agreed("ssh.kex_algorithms"), "group-exchange")):
					text := "key exchange " + s.agreed("ssh.kex_algorithms") + " " + s.agreed("ssh.server_host_key_algorithms")
					for _, way := range []string{"client_to_server", "server_to_client"} {
						cipher := s.agreed("ssh.encryption_algorithms_" + way)
						text += " " + cipher
						if !strings.Contains(cipher, "gcm") && !strings.Contains(cipher, "poly1305") {
							text += " " + s.agreed("ssh.mac_algorithms_"+way)
						}
					}
					list = append(list, said{false, "answer", text})
				}
			}
		}
	}
	return list
}

// sshSession has what both ends offer.
type sshSession struct{ client, server *node }

// agreed returns the first of the client's list that is also in the server's.
func (s *sshSession) agreed(list string) string {
	if s.client == nil || s.server == nil {
		return ""
	}
	theirs := strings.Split(s.server.get(list), ",")
	for a := range strings.SplitSeq(s.client.get(list), ",") {
		if slices.Contains(theirs, a) {
			return a
		}
	}
	return ""
}

func sshOurs(m *message, _ []*message) (string, bool) {
	if m.kind != "answer" {
		return m.text, true
	}
	text := "key exchange " + m.get("ssh.key_exchange") + " " + m.get("ssh.host_key.algorithm")
	for _, way := range []string{"client_to_server", "server_to_client"} {
		text += " " + m.get("ssh."+way+".cipher")
		if mac := m.get("ssh." + way + ".mac"); mac != "" {
			text += " " + mac
		}
	}
	return text, true
}

// socksTruth reads the negotiation. tshark also shows what passes the proxy, with what it knows of the connection, and reads answers of
// version 4 as of another version.
func socksTruth(frames []*frame) (list []said) {
	version := map[string]string{}
	done := map[string]bool{}
	for _, f := range frames {
		for i := range f.Kids {
			n := &f.Kids[i]
			if n.Name != "socks" || done[f.stream] || n.has("tcp.payload") {
				continue
			}
			out := func(kind, text string) { list = append(list, said{f.client, kind, text}) }
			if version[f.stream] == "" {
				version[f.stream] = n.get("socks.version")
			}
			v := version[f.stream]
			port := n.get("socks.port")
			if port == "" {
				port = n.get("socks.dstport")
			}
			target := n.get("socks.remote_name")
			if name := n.get("socks.v4a_dns_name"); name != "" {
				target = name
			} else if target == "" {
				target = n.get("socks.dst")
			}
			switch {
			case n.has("socks.auth_method_count"):
				out("request", "5 greeting")
			case n.has("socks.auth_accepted_method"):
				out("answer", "5 method "+n.get("socks.auth_accepted_method"))
			case v == "5" && n.has("socks.username"):
				out("request", "5 login "+n.get("socks.username"))
			case n.has("socks.auth_status"):
				out("answer", fmt.Sprint("5 ok ", n.get("socks.auth_status") == "0"))
			case f.client:
				out("request", fmt.Sprintf("%s CONNECT %s %s", v, target, port))
			default:
				code := n.get("socks.results")
				out("answer", fmt.Sprint(v, " ok ", code == "0" || code == "90"))
				done[f.stream] = true
			}
		}
	}
	return list
}

var socksMethods = map[string]string{"no authentication": "0", "password": "2"}

func socksOurs(m *message, list []*message) (string, bool) {
	v := m.get("socks.version")
	switch {
	case m.kind == "request" && m.text == "greeting":
		return v + " greeting", true
	case m.kind == "request" && m.text == "login":
		return v + " login " + m.get("socks.user"), true
	case m.kind == "request":
		return fmt.Sprintf("%s %s %s %s", v, m.get("socks.command"), m.get("server.address"), m.get("server.port")), true
	case m.request(list).text == "greeting":
		return v + " method " + socksMethods[m.text], true
	}
	return fmt.Sprint(v, " ok ", m.err == ""), true
}

var tlsVersions = map[int]string{0x0304: "1.3", 0x0303: "1.2", 0x0302: "1.1", 0x0301: "1.0"}

// helloRetry is the random of a HelloRetryRequest.
const helloRetry = "cf:21:ad:74:e5:9a:61:11:be:1d:8c:02:1e:65:b8:91:c2:a2:11:16:7a:bb:8c:5e:07:9e:09:e2:c8:a8:33:9c"

func tlsTruth(frames []*frame) (list []said) {
	waits := map[string]bool{} // a ClientHello without an answer
	for _, f := range frames {
		for i := range f.Kids {
			if f.Kids[i].Name != "tls" {
				continue
			}
			for _, r := range f.Kids[i].all("tls.record") {
				out := func(kind, text string) { list = append(list, said{f.client, kind, text}) }
				for _, h := range r.all("tls.handshake") {
					var versions []string
					for _, v := range h.all("tls.handshake.extensions.supported_version") {
						n, _ := strconv.ParseInt(v.Show, 0, 32)
						versions = append(versions, tlsVersions[int(n)])
					}
					legacy := tlsVersions[h.num("tls.handshake.version")]
					alpn := strings.Join(h.values("tls.handshake.extensions_alpn_str"), ",")
					switch h.get("tls.handshake.type") {
					case "1":
						if versions == nil {
							versions = []string{legacy}
						}
						out("request", fmt.Sprintf("ClientHello sni=%s alpn=%s versions=%v ja4=%s", h.get("tls.handshake.extensions_server_name"), alpn, versions, ja4(h)))
						waits[f.stream] = true
					case "2":
						name := "ServerHello"
						if h.get("tls.handshake.random") == helloRetry {
							name = "HelloRetryRequest"
						}
						if versions == nil {
							versions = []string{legacy}
						}
						cipher := ""
						if l := h.all("tls.handshake.ciphersuite"); len(l) > 0 {
							cipher = word(l[0].Showname)
						}
						out("answer", fmt.Sprintf("%s %s %s alpn=%s", name, versions[0], cipher, alpn))
						waits[f.stream] = false
					}
				}
				if !r.has("tls.alert_message") {
					continue
				}
				if !r.has("tls.alert_message.desc") {
					out("notice", "encrypted alert")
					continue
				}
				kind := "notice"
				if !f.client && waits[f.stream] {
					kind = "answer"
				}
				waits[f.stream] = false
				_, name, _ := strings.Cut(r.all("tls.alert_message.desc")[0].Showname, ": ")
				name, _, _ = strings.Cut(name, " (")
				out(kind, "alert "+letters(name))
			}
		}
	}
	return list
}

// letters returns a name without what its writers write differently: "Unknown CA", "unknown_ca".
func letters(s string) string {
	return strings.Map(func(r rune) rune {
		if r == ' ' || r == '_' {
			return -1
		}
		return r
	}, strings.ToLower(s))
}

// ja4 computes the fingerprint from the fields that tshark dissects.
func ja4(h *node) string {
	grease := func(s string) bool {
		n, _ := strconv.ParseInt(s, 0, 32)
		return n&0x0f0f == 0x0a0a && n>>8 == n&0xff
	}
	codes := func(name string) (list []string) {
		for _, s := range h.values(name) {
			if n, _ := strconv.ParseInt(s, 0, 32); !grease(s) {
				list = append(list, fmt.Sprintf("%04x", n))
			}
		}
		return list
	}
	hash := func(s string) string {
		sum := sha256.Sum256([]byte(s))
		return hex.EncodeToString(sum[:])[:12]
	}
	ciphers, extensions, versions := codes("tls.handshake.ciphersuite"), codes("tls.handshake.extension.type"), codes("tls.handshake.extensions.supported_version")
	top := slices.Max(append(versions, "0000"))
	if len(versions) == 0 {
		top = fmt.Sprintf("%04x", h.num("tls.handshake.version"))
	}
	sni := "i"
	if slices.Contains(extensions, "0000") {
		sni = "d"
	}
	alpn := "00"
	if a := h.get("tls.handshake.extensions_alpn_str"); a != "" {
		alpn = a[:1] + a[len(a)-1:]
	}
	head := fmt.Sprintf("t%s%s%02d%02d%s", map[string]string{"0304": "13", "0303": "12", "0302": "11", "0301": "10"}[top], sni, len(ciphers), len(extensions), alpn)
	slices.Sort(ciphers)
	rest := slices.DeleteFunc(slices.Clone(extensions), func(s string) bool { return s == "0000" || s == "0010" })
	slices.Sort(rest)
	return head + "_" + hash(strings.Join(ciphers, ",")) + "_" + hash(strings.Join(rest, ",")+"_"+strings.Join(codes("tls.handshake.sig_hash_alg"), ","))
}

func tlsOurs(m *message, _ []*message) (string, bool) {
	switch {
	case m.text == "end":
		return "", false // what was sent in all: tshark does not count it
	case m.text == "ClientHello":
		return fmt.Sprintf("ClientHello sni=%s alpn=%s versions=%v ja4=%s", m.get("tls.client.server_name"), m.get("tls.client.alpn"), strings.Split(m.get("tls.client.supported_versions"), ","), m.get("tls.client.ja4")), true
	case m.text == "ServerHello", m.text == "HelloRetryRequest":
		return fmt.Sprintf("%s %s %s alpn=%s", m.text, m.get("tls.protocol.version"), m.get("tls.cipher"), m.get("tls.next_protocol")), true
	case strings.HasPrefix(m.text, "alert "):
		return "alert " + letters(strings.TrimPrefix(m.text, "alert ")), true
	}
	return m.text, true
}

// grpcTruth reads the streams of HTTP/2 with gRPC's type.
func grpcTruth(frames []*frame) (list []said) {
	calls := map[string]int{} // the index of an answer by its stream
	for _, f := range frames {
		for i := range f.Kids {
			if f.Kids[i].Name != "http2" {
				continue
			}
			for _, s := range f.Kids[i].all("http2.stream") {
				id := s.get("http2.streamid")
				about := f.stream + " " + id
				status := ""
				for _, h := range s.all("http2.header") {
					if h.get("http2.header.name") == "grpc-status" {
						status = h.get("http2.header.value")
					}
				}
				switch {
				case s.has("http2.headers.path"):
					list = append(list, said{f.client, "request", fmt.Sprintf("%s %s host=%s", id, s.get("http2.headers.path"), s.get("http2.headers.authority"))})
				case s.has("http2.headers.status"):
					calls[about] = len(list)
					list = append(list, said{f.client, "answer", fmt.Sprintf("%s status=%s", id, status)})
				case status != "":
					list[calls[about]].text = fmt.Sprintf("%s status=%s", id, status)
				}
			}
		}
	}
	return list
}

func grpcOurs(m *message, _ []*message) (string, bool) {
	if m.kind == "request" {
		return fmt.Sprintf("%s %s host=%s", m.get("http2.stream"), m.get("url.path"), m.get("http.request.host")), true
	}
	return fmt.Sprintf("%s status=%s", m.get("http2.stream"), m.get("rpc.grpc.status_code")), m.kind == "answer"
}
