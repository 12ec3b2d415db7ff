package story

import (
	"slices"
	"strconv"
	"strings"

	"github.com/pidwire/pidwire/internal/event"
	"github.com/pidwire/pidwire/internal/sink/notation"
	"github.com/pidwire/pidwire/internal/sink/text"
)

// teller tells what an entry means.
type teller struct{ *Sink }

func (s teller) Call(e *event.Entry, b *event.Call) {
	if b.State != event.Returned {
		return
	}
	c := s.conn(e)
	switch {
	case b.Role.Has(event.Connects):
		if c == nil || e.Conn.Type == 2 || e.Conn.Family != 2 && e.Conn.Family != 10 && b.Errno == "" {
			return // a datagram socket does not connect to anybody; what it sends is told
		}
		switch {
		case b.Errno == "" && !b.Foreign && c.connected:
		case b.Errno == "":
			c.connected = true
			s.connected(e, e.Time, b.Dur)
		case b.Errno == "EINPROGRESS":
			c.connect = e.Time
		case b.Errno == "EALREADY", b.Errno == "EISCONN", b.Errno == "EINTR":
		case e.Conn.Family == 1 && b.Errno == "ENOENT":
			// A service that is not there: nscd, above all.
		default:
			c.failed = true
			body := append(append(peer([]byte("connect to "), e.Conn), " failed: "...), b.Errno...)
			s.say(e, e.Time, line{key: string(body), body: body, note: notation.AppendSpan(nil, b.Dur), timed: true, took: b.Dur})
		}
	case b.Errno == "ECONNRESET" || b.Errno == "EPIPE" || b.Errno == "ETIMEDOUT" || b.Errno == "EHOSTUNREACH" || b.Errno == "ECONNREFUSED":
		if c != nil && !c.failed {
			c.failed = true
			body := append(peer(append(appendText(nil, b.Name), " to "...), e.Conn), " failed: "...)
			s.say(e, e.Time, line{body: append(body, b.Errno...)})
		}
	}
}

// connected tells of a connection that was established.
func (s *Sink) connected(e *event.Entry, at, took int64) {
	body := peer([]byte("connected to "), e.Conn)
	s.say(e, at, line{key: string(body), body: body, note: notation.AppendSpan(nil, took), timed: true, took: took})
}

func (s teller) State(e *event.Entry, b *event.State) {
	const established, synSent = 1, 2
	c := s.conn(e)
	if c == nil || b.Look {
		return
	}
	switch {
	case b.To == synSent:
		c.connect = e.Time
	case b.To == established && b.From == synSent && !c.connected:
		c.connected = true
		s.connected(e, c.connect, e.Time-c.connect)
	case b.To == event.TCPClose && b.From == synSent && !c.failed:
		c.failed = true
		body := append(append(peer([]byte("connect to "), e.Conn), " failed: "...), notation.StateCause(b)...)
		took := e.Time - c.connect
		s.say(e, c.connect, line{key: string(body), body: body, note: notation.AppendSpan(nil, took), timed: true, took: took})
	}
}

// closed tells of the end of a connection on which something was exchanged.
func (s *Sink) closed(e *event.Entry, m *event.Message) {
	if e.Conn == nil {
		return
	}
	delete(s.conns, e.Conn.N)
	if m.Bytes == 0 || m.Text != "closed" || e.Conn.Family == 1 && e.Conn.Path == "" {
		return
	}
	body := []byte("closed: ")
	sep := ""
	for i := range m.Fields {
		f := &m.Fields[i]
		switch {
		case f.Form == event.FormBytes:
			body = append(append(append(body, sep...), f.Label...), ' ')
			body = notation.AppendBytes(body, f.Num)
		case f.Num == 0:
			continue
		default:
			body = append(strconv.AppendInt(append(body, sep...), f.Num, 10), ' ')
			label := f.Label
			if f.Num == 1 {
				label = strings.TrimSuffix(label, "s")
			}
			body = append(body, label...)
		}
		sep = ", "
	}
	all := peer([]byte("closed: "), e.Conn)
	s.say(e, m.End, line{key: string(all), body: body, all: all, note: notation.AppendTook(nil, m, false), timed: true, took: m.Took})
}

func (s teller) Message(e *event.Entry, m *event.Message) {
	switch {
	case m.Title == "DNS" && (m.Dir == event.DirOut) == (m.Kind == event.MessageRequest):
		s.dns(e, m) // this end asks
		return
	case m.Proto == "unknown":
		return
	case m.Proto == "conn":
		s.closed(e, m)
		return
	case m.Part == event.Head:
		return
	case m.Kind == event.MessageRequest:
		s.remember(m)
		return
	case m.Kind == event.MessageNotice:
		if m.Error != "" || m.Unsure == "" && m.Exchange == 0 && notable(m) {
			s.say(e, e.Time, line{key: m.Proto + m.Text, body: said(nil, m)})
		}
		return
	}
	answer := said(nil, m)[len(m.Title):]
	body := append([]byte(m.Title), ' ')
	all := append([]byte(nil), body...)
	key := m.Proto + m.Dir.String() + m.Group + " " + m.Text
	if q := s.asked[m.Exchange]; q != nil {
		body = append(appendText(body, q.text), " ->"...)
		group := m.Group
		if group == "" {
			group = q.text
		} else if q.host != "" {
			group += " " + q.host
		}
		all = append(appendText(all, group), " ->"...)
		key += " " + q.host
		s.forget(m.Exchange)
	}
	if e.Conn != nil {
		key += " " + e.Conn.PeerName + e.Conn.Peer.Addr().String()
	}
	l := line{key: key, body: append(body, answer...), took: m.Took}
	l.all = appendText(append(all, ' '), m.Text)
	if m.Unsure != "" {
		doubt := "  (uncertain: " + m.Unsure + ")"
		l.key, l.body, l.all = l.key+doubt, append(l.body, doubt...), append(l.all, doubt...)
	}
	if l.timed = m.Exchange != 0 && (m.Slack == 0 || m.Took >= m.Slack); l.timed {
		l.note = notation.AppendTook(nil, m, false)
	}
	s.say(e, m.Begin-max(m.Took-(m.End-m.Begin), 0), l)
}

// notable reports whether a notice is worth a line: the end of a protocol, above all.
func notable(m *event.Message) bool {
	switch m.Proto {
	case "proxy", "ssh":
		return true
	}
	return false
}

// said returns a message as in lines, without its direction.
func said(b []byte, m *event.Message) []byte {
	t := notation.AppendMessage(nil, m, &notation.Options{})[len("> "):]
	if m.Part == event.Rest {
		t = append(append([]byte(nil), m.Title...), t[len(m.Title)+len(" ..."):]...)
	}
	return append(b, t...)
}

// remember keeps a request until its answer.
func (s *Sink) remember(m *event.Message) {
	if len(s.order) >= maxAsked {
		delete(s.asked, s.order[0])
		s.order = s.order[1:]
	}
	q := &request{text: strings.Clone(m.Text)}
	for i := range m.Fields {
		if f := &m.Fields[i]; f.Label == "host" || f.Label == "sni" {
			q.host = strings.Clone(f.Text)
		}
	}
	if q.host != "" {
		q.text += " " + q.host
	}
	s.asked[m.Exchange] = q
	s.order = append(s.order, m.Exchange)
}

func (s *Sink) forget(exchange uint64) {
	delete(s.asked, exchange)
	if len(s.order) > 0 && s.order[0] == exchange {
		s.order = s.order[1:]
	}
}

// dns collects the queries and answers of a look-up.
func (s *Sink) dns(e *event.Entry, m *event.Message) {
	name, kind, code := "", "", ""
	var answers []string
	for i := range m.Fields {
		switch f := &m.Fields[i]; f.Name {
		case "dns.question.name":
			name = f.Text
		case "dns.question.type":
			kind = f.Text
		case "dns.response_code":
			code = f.Text
		case "dns.answers":
			answers = append(answers, strings.Clone(f.Text))
		}
	}
	if m.Kind == event.MessageRequest {
		l := s.lookup(e, name)
		l.queries++
		if m.Error == "" {
			l.open++
		}
		return
	}
	for _, l := range s.lookups {
		if l.name != name || l.at.Task.PID != e.Task.PID {
			continue
		}
		l.open = max(l.open-1, 0)
		l.end = max(l.end, m.End)
		l.answers = append(l.answers, answers...)
		if code != "" {
			l.codes = append(l.codes, kind+" "+strings.Clone(code))
		}
		return
	}
	s.say(e, e.Time, line{body: appendText([]byte("DNS "), m.Text)})
}

// lookup returns the look-up that a query of a name belongs to.
func (s *Sink) lookup(e *event.Entry, name string) *lookup {
	name = strings.Clone(name)
	for _, l := range s.lookups {
		if l.at.Task.PID != e.Task.PID {
			continue
		}
		if l.name == name {
			return l
		}
		// The next name of a search list: the same beginning, and no answer so far.
		if len(l.answers) == 0 && (strings.HasPrefix(l.name, name+".") || strings.HasPrefix(name, l.base+".")) {
			l.steps = append(l.steps, l.name)
			l.name, l.codes, l.open = name, nil, 0
			if len(name) < len(l.base) {
				l.base = name
			}
			return l
		}
	}
	base, _, _ := strings.Cut(name, ".")
	l := &lookup{at: event.Entry{Event: event.Event{Time: e.Time, Slack: e.Slack, Task: e.Task}, Conn: e.Conn, Match: e.Match}, base: base, name: name, began: e.Time, end: e.Time}
	l.at.Task.Comm = strings.Clone(e.Task.Comm)
	s.lookups = append(s.lookups, l)
	const most = 64
	if len(s.lookups) > most {
		s.looked(s.lookups[0])
		s.lookups = s.lookups[1:]
	}
	return l
}

// settle writes the look-ups that are over: all answers have come, and the process does something else.
func (s *Sink) settle(e *event.Entry) {
	const grace, patience = 20_000_000, 10_000_000_000
	for len(s.lookups) > 0 {
		l := s.lookups[0]
		over := l.open == 0 && len(l.answers) > 0 && e.Time > l.end || l.open == 0 && e.Time > l.end+grace || e.Time > l.end+patience
		if c, ok := e.Body.(*event.Call); ok && c.Role.Has(event.Connects) && e.Task.PID == l.at.Task.PID && e.Conn != nil && e.Conn.Type == 1 && l.open == 0 {
			over = true
		}
		if !over {
			return
		}
		s.looked(l)
		s.lookups = s.lookups[1:]
	}
}

// looked writes a look-up.
func (s *Sink) looked(l *lookup) {
	body := appendText([]byte("look up "), l.name)
	switch {
	case len(l.answers) > 0:
		body = append(body, " -> "...)
		const most = 4
		for i, a := range l.answers {
			if i == most {
				body = strconv.AppendInt(append(body, ", and "...), int64(len(l.answers)-most), 10)
				body = append(body, " more"...)
				break
			}
			if i > 0 {
				body = append(body, ", "...)
			}
			body = appendText(body, a)
		}
	case l.open > 0:
		body = append(body, " -> no answer"...)
	}
	codes := slices.Compact(slices.Sorted(slices.Values(l.codes)))
	if len(codes) > 0 && len(l.answers) == 0 {
		body = appendText(append(body, " -> "...), strings.Join(codes, ", "))
	}
	if len(l.steps) > 0 {
		body = appendText(append(body, "  (after "...), strings.Join(l.steps, ", "))
		body = append(body, ')')
	}
	note := notation.AppendSpan(nil, l.end-l.began)
	note = strconv.AppendInt(append(note, ", "...), int64(l.queries), 10)
	if note = append(note, " quer"...); l.queries == 1 {
		note = append(note, 'y')
	} else {
		note = append(note, "ies"...)
	}
	s.say(&l.at, l.began, line{key: string(body), body: body, note: note, timed: true, took: l.end - l.began})
}

func (s teller) Process(e *event.Entry, b *event.Process) {
	switch b.What {
	case event.Exec:
		body := []byte("runs")
		for _, arg := range b.Argv {
			body = appendText(append(body, ' '), arg)
		}
		s.say(e, e.Time, line{body: body})
	case event.Exit:
		s.lookups = slices.DeleteFunc(s.lookups, func(l *lookup) bool {
			if l.at.Task.PID == e.Task.PID {
				s.looked(l)
			}
			return l.at.Task.PID == e.Task.PID
		})
		if b.Code != 0 {
			s.say(e, e.Time, line{body: text.AppendExit(nil, b.Code)})
		}
	}
}

func (s teller) Lost(e *event.Entry, b *event.Lost) {
	body := append(strconv.AppendUint([]byte("! lost "), b.Count, 10), " events: "...)
	s.say(e, e.Time, line{body: append(body, b.Reason...)})
}

func (s teller) Note(e *event.Entry, b *event.Note) {
	if b.Degraded {
		s.say(e, e.Time, line{body: appendText([]byte("! "), b.Text)})
	}
}

func (s teller) Verdict(e *event.Entry, b *event.Verdict) {
	mark := "! "
	if b.Severity == event.Info {
		mark = "# "
	}
	s.say(e, e.Time, line{body: text.AppendVerdict([]byte(mark), b)})
}

func (s teller) Unknown(e *event.Entry, b *event.Unknown) {
	body := strconv.AppendUint([]byte("! a record of kind "), uint64(b.Kind), 10)
	s.say(e, e.Time, line{body: append(body, " that this version cannot read"...)})
}

// Other bodies are details.

func (teller) Capture(*event.Entry, *event.Capture)     {}
func (teller) Handover(*event.Entry, *event.Handover)   {}
func (teller) Audit(*event.Entry, *event.Audit)         {}
func (teller) Kernel(*event.Entry, *event.Kernel)       {}
func (teller) SockFound(*event.Entry, *event.SockFound) {}
func (teller) Ready(*event.Entry, *event.Ready)         {}
func (teller) Name(*event.Entry, *event.Name)           {}
func (teller) Symbol(*event.Entry, *event.Symbol)       {}
func (teller) Clock(*event.Entry, *event.Clock)         {}
func (teller) Fact(*event.Entry, *event.Fact)           {}
func (teller) End(*event.Entry, *event.End)             {}
