//go:build linux

package peers

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

var oracles = map[string]*oracle{
	"http": {
		name: []string{"http"}, fields: "method, target, host, version; status, version, size of the body, the request of an answer",
		truth: httpTruth, ours: httpOurs,
	},
	"http2": {
		name: []string{"http2"}, fields: "stream, method, path, authority; status",
		truth: http2Truth(""), ours: http2Ours,
	},
	"dns": {
		name: []string{"dns"}, fields: "id, name, type, rcode, addresses",
		truth: each("dns", dnsTruth), ours: dnsOurs,
	},
}

// httpTruth reads HTTP/1. tshark names the request of an answer by the number of its packet.
func httpTruth(frames []*frame) (list []said) {
	asked := map[string]string{} // by packet
	for _, f := range frames {
		for i := range f.Kids {
			n := &f.Kids[i]
			switch {
			case n.Name != "http":
			case n.has("http.request.method"):
				what := n.get("http.request.method") + " " + n.get("http.request.uri")
				asked[fmt.Sprint(f.number)] = what
				list = append(list, said{f.client, "request", fmt.Sprintf("%s %s host=%s", what, n.get("http.request.version"), n.get("http.host"))})
			case n.has("http.response.code"):
				kind := "answer"
				if strings.HasPrefix(n.get("http.response.code"), "1") && n.get("http.response.code") != "101" {
					kind = "notice"
				}
				text := fmt.Sprintf("%s %s", n.get("http.response.code"), n.get("http.response.version"))
				if kind == "answer" {
					of := asked[n.get("http.request_in")]
					size := strings.TrimSpace(n.get("http.content_length_header"))
					if chunks := n.all("http.chunk_size"); len(chunks) > 0 {
						total := 0
						for _, c := range chunks {
							v, _ := strconv.Atoi(c.Show)
							total += v
						}
						size = fmt.Sprint(total)
					} else if data := n.all("http.file_data"); size == "" && len(data) > 0 {
						size = fmt.Sprint(data[0].Size)
					}
					if size == "" || strings.HasPrefix(of, "HEAD ") {
						size = "0"
					}
					text += " size=" + size + " of " + of
				}
				list = append(list, said{f.client, kind, text})
			}
		}
	}
	return list
}

func httpTarget(m *message) string {
	target := m.get("url.path")
	if q := m.get("url.query"); q != "" {
		target += "?" + q
	}
	if t := m.get("http.request.target"); t != "" {
		target = t
	}
	return m.get("http.request.method") + " " + target
}

// request returns the request of an answer.
func (m *message) request(list []*message) *message {
	for _, q := range list {
		if m.exchange != 0 && q.exchange == m.exchange && q.kind == "request" {
			return q
		}
	}
	return &message{}
}

func httpOurs(m *message, list []*message) (string, bool) {
	version := "HTTP/" + m.get("network.protocol.version")
	if m.kind == "request" {
		return fmt.Sprintf("%s %s host=%s", httpTarget(m), version, m.get("http.request.host")), true
	}
	text := fmt.Sprintf("%s %s", m.get("http.response.status_code"), version)
	if m.kind == "answer" {
		size := m.get("http.response.body.size")
		if size == "" {
			size = "0"
		}
		text += " size=" + size + " of " + httpTarget(m.request(list))
	}
	return text, true
}

// http2Truth reads requests and answers by the headers that begin them; those of gRPC, or those without.
func http2Truth(want string) func(frames []*frame) []said {
	return func(frames []*frame) (list []said) {
		for _, f := range frames {
			for i := range f.Kids {
				if f.Kids[i].Name != "http2" {
					continue
				}
				for _, s := range f.Kids[i].all("http2.stream") {
					id := s.get("http2.streamid")
					switch {
					case s.has("http2.headers.method"):
						list = append(list, said{f.client, "request", fmt.Sprintf("%s %s %s host=%s", id, s.get("http2.headers.method"), s.get("http2.headers.path"), s.get("http2.headers.authority"))})
					case s.has("http2.headers.status"):
						list = append(list, said{f.client, "answer", fmt.Sprintf("%s %s", id, s.get("http2.headers.status"))})
					}
				}
			}
		}
		return list
	}
}

func http2Ours(m *message, _ []*message) (string, bool) {
	if m.kind == "request" {
		return fmt.Sprintf("%s %s host=%s", m.get("http2.stream"), httpTarget(m), m.get("http.request.host")), true
	}
	return fmt.Sprintf("%s %s", m.get("http2.stream"), m.get("http.response.status_code")), m.kind == "answer"
}

var rcodes = map[string]string{"0": "", "1": "FORMERR", "2": "SERVFAIL", "3": "NXDOMAIN", "5": "REFUSED"}

// word returns what is in parentheses at the end of tshark's words, or the first of them: "Type: A (Host Address) (1)".
func word(s string) string {
	_, s, _ = strings.Cut(s, ": ")
	s, _, _ = strings.Cut(s, " ")
	return s
}

func dnsTruth(_ *frame, n *node, out func(kind, text string)) {
	text := fmt.Sprintf("%d %s", n.num("dns.id"), n.get("dns.qry.name"))
	if types := n.all("dns.qry.type"); len(types) > 0 {
		text += " " + word(types[0].Showname)
	}
	if n.num("dns.flags.response") == 0 {
		out("request", text)
		return
	}
	addresses := slices.Concat(n.values("dns.a"), n.values("dns.aaaa"))
	slices.Sort(addresses)
	out("answer", fmt.Sprintf("%s %s %v", text, rcodes[fmt.Sprint(n.num("dns.flags.rcode"))], addresses))
}

func dnsOurs(m *message, _ []*message) (string, bool) {
	text := fmt.Sprintf("%s %s %s", m.get("dns.id"), m.get("dns.question.name"), m.get("dns.question.type"))
	if m.kind == "request" {
		return text, true
	}
	var addresses []string
	for a := range strings.SplitSeq(m.get("dns.answers"), ",") {
		if a != "" && !strings.Contains(a, " ") {
			addresses = append(addresses, a)
		}
	}
	slices.Sort(addresses)
	code := m.get("dns.response_code")
	if code == "no answer" {
		code = "" // pidwire's word for an answer without records
	}
	return fmt.Sprintf("%s %s %v", text, code, addresses), true
}
