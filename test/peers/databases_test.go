//go:build linux

package peers

import (
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
)

func init() {
	oracles["redis"] = &oracle{name: []string{"redis"}, fields: "command, key; type, text or number, size, elements", truth: redisTruth, ours: redisOurs}
	oracles["redis 3"] = &oracle{
		name: []string{"redis"}, fields: "command, key; of answers nothing: this tshark does not read RESP 3",
		truth: func(frames []*frame) []said {
			return slices.DeleteFunc(redisTruth(frames), func(s said) bool { return s.kind != "request" })
		},
		ours: func(m *message, list []*message) (string, bool) {
			text, _ := redisOurs(m, list)
			return text, m.kind == "request"
		},
	}
	oracles["postgresql"] = &oracle{name: []string{"postgresql"}, fields: "SQL, user, database; result, SQLSTATE", truth: postgresTruth, ours: postgresOurs}
	oracles["mysql"] = &oracle{name: []string{"mysql"}, fields: "SQL, user, database; error", truth: mysqlTruth, ours: mysqlOurs}
	oracles["memcached"] = &oracle{name: []string{"memcached"}, fields: "command, key; status", truth: each("memcache", memcachedTruth), ours: memcachedOurs}
	oracles["mongodb"] = &oracle{name: []string{"mongodb"}, fields: "command; the command of an answer", truth: mongoTruth, ours: mongoOurs}
	oracles["ldap"] = &oracle{name: []string{"ldap"}, fields: "message id, operation, name, scope; result code, entries", truth: ldapTruth, ours: ldapOurs}
}

// unhex returns bytes as tshark writes them: "47:45:54".
func unhex(s string) string {
	b, _ := hex.DecodeString(strings.ReplaceAll(s, ":", ""))
	return string(b)
}

// redisTruth reads values of RESP 2: the dissector does not know RESP 3.
func redisTruth(frames []*frame) (list []said) {
	for _, f := range frames {
		for i := range f.Kids {
			n := &f.Kids[i]
			if n.Name != "resp" {
				continue
			}
			for j := range n.Kids {
				v := &n.Kids[j]
				partial := v.has("resp.reassembled_in_next_frame") // all of it comes with the last packet
				switch {
				case partial, !strings.HasPrefix(v.Name, "resp."):
				case f.client:
					var words []string
					for _, w := range v.all("resp.bulk_string.value") {
						words = append(words, unhex(w.Show))
					}
					if len(words) > 0 {
						words[0] = strings.ToUpper(words[0])
					}
					list = append(list, said{true, "request", strings.Join(words[:min(2, len(words))], " ")})
				default:
					list = append(list, said{false, "answer", redisValue(v)})
				}
			}
		}
	}
	return list
}

func redisValue(v *node) string {
	switch v.Name {
	case "resp.string":
		return "status " + v.Show
	case "resp.error":
		return "error " + v.Show
	case "resp.integer":
		return "integer " + v.Show
	case "resp.array":
		return "array elements=" + v.get("resp.array.length")
	}
	if v.get("resp.bulk_string.length") == "-1" {
		return "nil"
	}
	return "string size=" + v.get("resp.bulk_string.length")
}

func redisOurs(m *message, _ []*message) (string, bool) {
	if m.kind == "request" {
		words := strings.Fields(m.text)
		return strings.Join(words[:min(2, len(words))], " "), true
	}
	switch kind := m.get("redis.value.type"); kind {
	case "status", "error", "integer":
		return kind + " " + m.text, true
	case "array":
		return "array elements=" + m.get("redis.value.elements"), true
	case "string":
		return "string size=" + m.get("redis.value.size"), true
	default:
		return kind, true
	}
}

// postgresTruth reads what a client asks for and what ends its answer. A statement is asked for by its Execute, and prepared if none follows its
// Parse before the Sync.
func postgresTruth(frames []*frame) (list []said) {
	type session struct {
		failed              bool
		parsed              []string // since the last Sync, not executed
		statements, portals map[string]string
		begun               int // simple queries and starts without the end of their answer
		last                string
		complete            string
	}
	sessions := map[string]*session{}
	for _, f := range frames {
		s := sessions[f.stream]
		if s == nil {
			s = &session{statements: map[string]string{}, portals: map[string]string{}}
			sessions[f.stream] = s
		}
		out := func(kind, text string) { list = append(list, said{f.client, kind, text}) }
		for i := range f.Kids {
			n := &f.Kids[i]
			if n.Name != "pgsql" {
				continue
			}
			switch kind := n.get("pgsql.type"); kind {
			case "SSL request":
				out("request", "SSLRequest")
			case "Startup message":
				user, database := "", ""
				names, values := n.values("pgsql.parameter_name"), n.values("pgsql.parameter_value")
				for i, name := range names {
					switch name {
					case "user":
						user = values[i]
					case "database":
						database = values[i]
					}
				}
				out("request", "startup user="+user+" database="+database)
				s.begun++
			case "Simple query":
				out("request", blanks(n.get("pgsql.query")))
				s.begun++
			case "Parse":
				name := n.get("pgsql.statement")
				s.statements[name] = blanks(n.get("pgsql.query"))
				s.parsed = append(s.parsed, name)
			case "Bind":
				s.portals[n.get("pgsql.portal")] = n.get("pgsql.statement")
			case "Execute":
				name := s.portals[n.get("pgsql.portal")]
				out("request", s.statements[name])
				var left []string
				for _, p := range s.parsed {
					if p != name {
						left = append(left, p)
					}
				}
				s.parsed = left
			case "Sync":
				for _, name := range s.parsed {
					out("request", "prepare "+s.statements[name])
				}
				if len(s.parsed) > 0 {
					s.last = "prepare"
				}
				s.parsed = nil
			case "Command completion":
				s.complete = n.get("pgsql.tag")
				if s.begun == 0 {
					out("answer", first(s.complete))
				}
			case "Error":
				out("answer", "error "+n.get("pgsql.code"))
				s.failed = true
			case "Ready for query":
				switch {
				case s.failed:
				case s.last == "prepare":
					out("answer", "prepared")
				case s.begun > 0 && s.complete == "":
					out("answer", "ready")
				case s.begun > 0:
					out("answer", first(s.complete))
				}
				s.failed, s.last, s.complete, s.begun = false, "", "", 0
			}
		}
	}
	return list
}

// blanks returns a statement as pidwire shows it, on one line.
func blanks(s string) string {
	return strings.Join(strings.Fields(strings.ReplaceAll(s, `\n`, " ")), " ")
}

func first(s string) string {
	w, _, _ := strings.Cut(s, " ")
	return w
}

func postgresOurs(m *message, list []*message) (string, bool) {
	switch {
	case m.kind == "answer" && m.request(list).text == "SSLRequest":
		return "", false // one letter, which tshark does not show
	case m.kind == "request" && strings.HasPrefix(m.text, "startup"):
		return "startup user=" + m.get("user.name") + " database=" + m.get("db.namespace"), true
	case m.text == "SSLRequest":
		return m.text, true
	case m.kind == "request" && m.get("db.operation.name") == "prepare":
		return "prepare " + m.get("db.query.text"), true
	case m.kind == "request":
		return m.get("db.query.text"), true
	case m.err != "":
		return "error " + m.get("db.response.status_code"), true
	}
	return first(m.text), m.kind == "answer"
}

// mysqlTruth reads the commands, and whether anything and an error came back before the next one.
func mysqlTruth(frames []*frame) (list []said) {
	type session struct {
		asked    bool
		answered bool
		err      string
	}
	sessions := map[string]*session{}
	end := func(s *session) {
		if s.asked && s.answered {
			list = append(list, said{false, "answer", s.err})
		}
		*s = session{}
	}
	var order []string
	for _, f := range frames {
		s := sessions[f.stream]
		if s == nil {
			s = &session{}
			sessions[f.stream] = s
			order = append(order, f.stream)
		}
		for i := range f.Kids {
			n := &f.Kids[i]
			switch {
			case n.Name != "mysql":
			case n.has("mysql.server_greeting"), n.has("mysql.version"):
				list = append(list, said{false, "notice", "greeting " + n.get("mysql.version")})
			case f.client && n.has("mysql.user"):
				list = append(list, said{true, "request", "login user=" + n.get("mysql.user") + " database=" + n.get("mysql.schema")})
				s.asked = true
			case f.client && n.has("mysql.command"):
				end(s)
				kind := "request"
				text := n.get("mysql.query")
				switch n.num("mysql.command") {
				case 1:
					kind, text = "notice", "quit"
				case 2:
					text = "use " + n.get("mysql.schema")
				}
				list = append(list, said{true, kind, text})
				s.asked = kind == "request"
			case !f.client && s.asked:
				s.answered = true
				if n.has("mysql.error_code") {
					s.err = "error " + n.get("mysql.error_code")
				}
			}
		}
	}
	for _, name := range order {
		end(sessions[name])
	}
	return list
}

func mysqlOurs(m *message, _ []*message) (string, bool) {
	switch {
	case m.kind == "notice" && m.text == "greeting":
		return "greeting " + m.get("mysql.server_version"), true
	case m.kind == "notice":
		return m.text, true
	case m.kind == "request" && m.get("db.query.text") != "":
		return m.get("db.query.text"), true
	case m.kind == "request" && strings.HasPrefix(m.text, "login"):
		return "login user=" + m.get("user.name") + " database=" + m.get("db.namespace"), true
	case m.kind == "request":
		return m.text, true
	case m.err != "":
		return "error " + m.get("db.response.status_code"), true
	}
	return "", true
}

var memcachedOps = map[string]string{"0": "get", "1": "set", "2": "add", "4": "delete", "5": "incr", "7": "quit", "9": "getq", "10": "noop", "11": "version", "12": "getk", "13": "getkq"}

// memcachedTruth reads commands; of answers tshark has the words that tell how it went, but not errors and ends.
func memcachedTruth(f *frame, n *node, out func(kind, text string)) {
	op := n.get("memcache.opcode")
	switch {
	case op != "" && f.client:
		out("request", strings.TrimSpace(memcachedOps[op]+" "+n.get("memcache.key")))
	case op == "7": // the client does not wait for the answer to its quit
	case op != "":
		out("answer", "status "+n.get("memcache.status"))
	case f.client && n.get("memcache.command") == "quit":
		out("notice", "quit")
	case f.client:
		out("request", strings.TrimSpace(n.get("memcache.command")+" "+n.get("memcache.key")))
	case n.has("memcache.response"):
		out("answer", n.get("memcache.response"))
	case n.has("memcache.key"):
		out("answer", "VALUE")
	case n.has("memcache.version"):
		out("answer", "VERSION")
	default:
		out("answer", "")
	}
}

var memcachedWords = map[string]bool{"STORED": true, "NOT_STORED": true, "DELETED": true, "NOT_FOUND": true, "EXISTS": true, "VALUE": true, "VERSION": true}

var memcachedStatus = map[string]string{"OK": "0", "KEY_NOT_FOUND": "1"}

func memcachedOurs(m *message, list []*message) (string, bool) {
	switch {
	case m.kind == "notice":
		return m.text, true
	case m.kind == "request":
		words := strings.Fields(m.text)
		switch {
		case m.text == "unknown command":
			return "", true // tshark does not say what it cannot read either
		case len(words) > 1:
			return words[0] + " " + words[1], true
		}
		return words[0], true
	}
	if m.request(list).text == "quit" {
		return "", false
	}
	if s, ok := memcachedStatus[m.text]; ok {
		return "status " + s, true
	}
	if w := first(m.text); memcachedWords[w] {
		return w, true
	}
	return "", true
}

func mongoTruth(frames []*frame) (list []said) {
	asked := map[string]string{} // by connection and request id
	for _, f := range frames {
		for i := range f.Kids {
			n := &f.Kids[i]
			if n.Name != "mongo" {
				continue
			}
			if to := n.num("mongo.response_to"); to != 0 {
				list = append(list, said{f.client, "answer", "of " + asked[fmt.Sprint(f.stream, to)]})
				continue
			}
			command := n.get("mongo.element.name")
			asked[fmt.Sprint(f.stream, n.num("mongo.request_id"))] = command
			list = append(list, said{f.client, "request", command})
		}
	}
	return list
}

func mongoOurs(m *message, list []*message) (string, bool) {
	if m.kind == "request" {
		return m.get("db.operation.name"), true
	}
	return "of " + m.request(list).get("db.operation.name"), true
}

var ldapOps = map[int]string{0: "bind", 2: "unbind", 3: "search", 6: "modify", 8: "add", 10: "delete", 14: "compare", 23: "extended"}

var ldapScopes = map[string]string{"0": "base", "1": "one", "2": "sub"}

func ldapTruth(frames []*frame) (list []said) {
	entries := map[string]int{}
	for _, f := range frames {
		for i := range f.Kids {
			if f.Kids[i].Name != "ldap" {
				continue
			}
			for _, n := range f.Kids[i].all("ldap.LDAPMessage_element") {
				op, id := n.num("ldap.protocolOp"), n.get("ldap.messageID")
				about := f.stream + " " + id
				switch {
				case op == 4:
					entries[about]++
				case op == 2:
					list = append(list, said{f.client, "notice", id + " unbind"})
				case ldapOps[op] != "":
					name := ""
					for _, field := range []string{"ldap.name", "ldap.entry", "ldap.object", "ldap.baseObject", "ldap.delRequest"} {
						if all := n.all(field); len(all) > 0 && !strings.HasPrefix(all[0].Show, "name: ") {
							name = all[0].Show
							break
						}
					}
					list = append(list, said{f.client, "request", fmt.Sprintf("%s %s %s %s", id, ldapOps[op], name, ldapScopes[n.get("ldap.scope")])})
				default:
					list = append(list, said{f.client, "answer", fmt.Sprintf("%s code=%s entries=%d", id, n.get("ldap.resultCode"), entries[about])})
				}
			}
		}
	}
	return list
}

func ldapOurs(m *message, _ []*message) (string, bool) {
	id := m.get("ldap.message_id")
	switch m.kind {
	case "notice":
		return id + " " + m.text, true
	case "request":
		return fmt.Sprintf("%s %s %s %s", id, m.get("ldap.operation"), m.get("ldap.name"), m.get("ldap.search.scope")), true
	}
	entries := m.get("ldap.search.entries")
	if entries == "" {
		entries = "0"
	}
	return fmt.Sprintf("%s code=%s entries=%s", id, m.get("ldap.result_code"), entries), true
}
