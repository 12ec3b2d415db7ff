package why

import (
	"strings"

	"github.com/pidwire/pidwire/internal/event"
)

// text returns the first value of a field of a message.
func text(m *event.Message, name string) string {
	for i := range m.Fields {
		if f := &m.Fields[i]; f.Name == name {
			return strings.Clone(f.Text)
		}
	}
	return ""
}

func (g noter) Message(e *event.Entry, m *event.Message) {
	c := g.conn(e)
	if c == nil {
		return
	}
	switch {
	case m.Proto == "conn":
		c.life = e.Clone().Body.(*event.Message)
		c.lifeAt = evident(e, event.LayerMsg, "what its time was spent on")
		return
	case m.Proto == "dns" && m.Dir != event.DirUnknown:
		g.asked(e, m, c)
		return
	}
	d := 0
	if m.Dir == event.DirIn {
		d = 1
	}
	if like := text(m, "pidwire.looks_like"); like != "" && c.spoke[d] == "unknown" {
		c.spoke[d] = like
	}
	if c.spoke[d] == "" {
		if c.spoke[d] = m.Proto; text(m, "pidwire.looks_like") != "" {
			c.spoke[d] = text(m, "pidwire.looks_like")
		}
		c.said[d] = evident(e, event.LayerMsg, m.Title+" "+strings.Clone(m.Text))
	}
	if m.Proto == "tls" {
		c.hello.message(e, m)
		return
	}
	switch m.Kind {
	case event.MessageRequest:
		if m.Part != event.Rest {
			c.requests.add(evident(e, event.LayerMsg, m.Title+" "+strings.Clone(m.Text)))
			g.request(e, m, c)
		}
	case event.MessageAnswer:
		g.answer(e, m, c)
	}
}

// exchange is a request with what came of it.
type exchange struct {
	at       event.Evident
	conn     *conn
	task     event.Task
	text     string
	proto    string
	answered event.Evident
	status   string // error.type of the answer, or its status
	failed   bool
	location string
	took     int64
	budget   event.Budget
	cut      bool // the answer, or the request, is not complete
	relayed  bool // it asks to pass something on to another host
}

const maxExchanges = 1 << 14

func (g noter) request(e *event.Entry, m *event.Message, c *conn) {
	if strings.Contains(text(m, "http.request.prefer"), "wait=") { // RFC 7240, 4.3: the server is asked to wait
		c.stream = true
	}
	if m.Exchange == 0 || len(g.exchanges) >= maxExchanges {
		return
	}
	x := &exchange{at: c.requests.last, conn: c, task: c.task, text: strings.Clone(m.Text), proto: m.Proto, relayed: m.Relayed}
	g.exchanges[m.Exchange] = x
	g.said = append(g.said, x)
}

func (g noter) answer(e *event.Entry, m *event.Message, c *conn) {
	v := evident(e, event.LayerMsg, m.Title+" "+strings.Clone(m.Text))
	if m.Part != event.Rest {
		c.answers.add(v)
	}
	if strings.HasPrefix(text(m, "http.content_type"), "text/event-stream") {
		c.stream = true
	}
	x := g.exchanges[m.Exchange]
	if x == nil || x.conn != c {
		return
	}
	x.answered = v
	if m.Error != "" {
		x.failed, x.status = true, strings.Clone(m.Error)
	}
	if l := text(m, "http.response.location"); l != "" {
		x.location = l
	}
	if x.cut = m.Unsure != ""; x.cut && len(c.cut) < 16 {
		c.cut = append(c.cut, x)
	}
	x.took = m.Took
	if m.Budget != nil {
		x.budget = *m.Budget
	}
	if m.Took > c.slowestTook {
		c.slowestTook, c.slowest, c.slowestOf = m.Took, v, x.text
	}
	if !x.failed && !x.cut {
		g.succeeded(success{at: e.Time, pid: c.task.PID, what: "answer " + x.text})
	}
}

// message takes what a message of TLS tells.
func (h *handshake) message(e *event.Entry, m *event.Message) {
	v := evident(e, event.LayerMsg, "TLS "+strings.Clone(m.Text))
	in := m.Dir == event.DirIn
	alert, isAlert := strings.CutPrefix(m.Text, "alert ")
	switch {
	case strings.HasPrefix(m.Text, "ClientHello"):
		h.hello = v
		h.name = text(m, "tls.client.server_name")
	case strings.HasPrefix(m.Text, "ServerHello"):
		h.answer = v
		h.certificate(m)
	case isAlert && in:
		h.alertIn, h.descIn = v, strings.Clone(alert)
	case isAlert:
		h.alertOut, h.descOut = v, strings.Clone(alert)
	case m.Text == "encrypted alert" && !in:
		h.encrypted = v
	}
	for i := range m.Fields {
		switch f := &m.Fields[i]; f.Name {
		case "tls.application.sent":
			h.sent = f.Num
		case "tls.application.received":
			h.received = f.Num
		case "tls.client.certificate_missing":
			h.bare = true
		}
	}
	if text(m, "tls.server.not_after") != "" {
		h.certificate(m)
	}
}

func (h *handshake) certificate(m *event.Message) {
	h.notBefore, h.notAfter = text(m, "tls.server.not_before"), text(m, "tls.server.not_after")
	for i := range m.Fields {
		if f := &m.Fields[i]; f.Name == "tls.server.alternative_names" && len(h.names) < 16 {
			h.names = append(h.names, strings.Clone(f.Text))
		}
	}
}

// lookupKey is a question of a process to a server.
type lookupKey struct {
	pid        uint32
	name, kind string
}

// lookup is a question with its answers, of all tries.
type lookup struct {
	lookupKey
	asks     hit
	answer   event.Evident
	answered int64
	code     string // "NXDOMAIN", "SERVFAIL"; empty: none, or success
	empty    bool   // answered without an address
	cut      bool   // truncated
	answers  int
	conns    []*conn
	task     event.Task
}

// asked notes a question or an answer of DNS.
func (g noter) asked(e *event.Entry, m *event.Message, c *conn) {
	k := lookupKey{c.task.PID, text(m, "dns.question.name"), text(m, "dns.question.type")}
	if k.name == "" || (m.Dir == event.DirOut) != (m.Kind == event.MessageRequest) {
		return // of a server
	}
	c.names = true
	l := g.lookedUp[k]
	if m.Kind == event.MessageRequest {
		if l == nil {
			if len(g.order) >= maxLookups {
				return
			}
			l = &lookup{lookupKey: k, task: e.Task.Clone()}
			g.lookedUp[k] = l
			g.order = append(g.order, l)
		}
		l.asks.add(evident(e, event.LayerMsg, "DNS "+strings.Clone(m.Text)+" asked of "+c.peer()))
		if len(l.conns) < 8 && (len(l.conns) == 0 || l.conns[len(l.conns)-1] != c) {
			l.conns = append(l.conns, c)
		}
		return
	}
	if l == nil {
		return
	}
	l.answer = evident(e, event.LayerMsg, "DNS "+strings.Clone(m.Text)+" "+m.Error)
	l.answered, l.code = e.Time, strings.Clone(m.Error)
	l.answers++
	l.empty = m.Error == "" && text(m, "dns.response_code") == "no answer" // of one that was not recorded whole, it is not known
	for i := range m.Fields {
		if m.Fields[i].Name == "dns.truncated" && m.Fields[i].Num != 0 {
			l.cut = true
		}
	}
	if m.Error == "" && !l.empty {
		g.succeeded(success{at: e.Time, pid: k.pid, what: "name " + k.name})
	}
}
