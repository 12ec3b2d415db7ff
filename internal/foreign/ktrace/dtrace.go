package ktrace

import (
	"bytes"
	"net/netip"
)

// column is the kind of value in a column of a script.
type column uint8

const (
	colNone column = iota
	colCPU
	colDelta    // µs since the previous line
	colTime     // timestamp of DTrace, in µs
	colStamp    // the same, in ns
	colWall     // a date and a time of day: four words (%Y)
	colPID      // a number
	colNumber   // a number that is ignored: UID, ZONE, PROJ
	colWord     // a word that is ignored: INT, PROTO
	colEnds     // both addresses, separated by an arrow
	colStates   // both states, separated by an arrow
	colBytes    // a number
	colFlags    // in parentheses
	colComm     // all that is left
	colProcess  // a process name, which may have blanks, before an address
	colFamily   // a number
	colAddr     // an address
	colPort     // a number
	colLatency  // µs
	colDuration // seconds
	colResult   // all that is left
	colCount    // a number
	colRemote   // an address
	colLocal    // an address
	colLocPort  // a number
	colID       // of the default output
	colName
	colFlow // of -F
)

// words has the headings of known scripts. The second address, the ports and the arrow are part of
// colEnds.
var words = map[string]column{
	"CPU": colCPU, "DELTA(us)": colDelta, "TIME": colTime, "TIME(us)": colTime, "STRTIME": colWall,
	"TIMESTR": colWall, "TIMESTAMP": colStamp, "PID": colPID, "UID": colNumber, "ZONE": colNumber,
	"PROJ": colNumber, "LADDR:LPORT": colEnds, "LADDR:PORT": colEnds, "LADDR": colEnds, "SOURCE": colEnds,
	"RADDR:RPORT": colNone, "RADDR:PORT": colNone, "RADDR": colNone, "DEST": colNone, "LPORT": colNone,
	"RPORT": colNone, "DR": colNone, "OLD": colStates, "NEW": colNone, "BYTES": colBytes, "SIZE": colBytes,
	"IPLEN": colBytes, "COV": colBytes, "FLAGS": colFlags, "INT": colWord, "PROTO": colWord, "CMD": colComm,
	"PROCESS": colProcess, "FAM": colFamily, "ADDRESS": colAddr, "PORT": colPort, "LAT(us)": colLatency,
	"DURATION(sec)": colDuration, "RESULT": colResult, "HOST": colRemote, "HOSTNAME": colRemote,
	"COUNT": colCount, "REMOTE": colRemote, "LOCAL": colLocal, "ID": colID, "FUNCTION:NAME": colName,
	"FUNCTION": colFlow,
}

// layout has the columns of a script.
type layout struct {
	cols [12]column
	n    int
}

func (c *layout) has(col column) bool {
	for _, have := range c.cols[:c.n] {
		if have == col {
			return true
		}
	}
	return false
}

// heading parses a line of column names.
func heading(b []byte) (c layout, ok bool) {
	count := 0
	for t := text(b); len(t) > 0; t.blanks() {
		w := t.word()
		if len(w) == 0 { // leading blanks
			continue
		}
		col, known := words[string(w)]
		if !known || c.n == len(c.cols) {
			return c, false
		}
		count++
		switch {
		case col == colPort && c.has(colRemote):
			col = colLocPort // see host
		case col == colNone:
			continue
		}
		c.cols[c.n] = col
		c.n++
	}
	if c.n == 0 || count < 2 {
		return c, false
	}
	// Other programs have some of these headings, too. These combinations are unique.
	switch {
	case c.has(colEnds) && (c.has(colBytes) || c.has(colFlags)), c.has(colStates) && (c.has(colDelta) || c.has(colCPU)),
		c.has(colID) && c.has(colName), c.has(colCPU) && c.has(colFlow), c.has(colProcess) && c.has(colAddr),
		c.has(colRemote) && (c.has(colCount) || c.has(colLocal)):
		return c, true
	}
	return c, false
}

// token is a word of a line and its end offset.
type token struct {
	b   []byte
	end int
}

// maxTokens is the maximum number of words of a line.
const maxTokens = 24

type tokens struct {
	line []byte
	t    [maxTokens]token
	n    int
}

func split(b []byte, s *tokens) {
	s.line, s.n = b, 0
	t := text(b)
	for s.n < maxTokens {
		t.blanks()
		w := t.word()
		if len(w) == 0 {
			return
		}
		s.t[s.n] = token{w, len(b) - len(t)}
		s.n++
	}
}

func (s *tokens) at(i int) []byte {
	if i < 0 || i >= s.n {
		return nil
	}
	return s.t[i].b
}

// rest returns the line from word i on.
func (s *tokens) rest(i int) []byte {
	if i < 0 || i >= s.n {
		return nil
	}
	return s.line[s.t[i].end-len(s.t[i].b):]
}

func (s *tokens) num(i int, most uint64) (uint64, bool) { return number(s.at(i), most) }

// scanDTrace parses a line of DTrace. It stores a heading in cols, which may be nil.
func scanDTrace(b []byte, l *Line, cols *layout) trust {
	t := text(b)
	switch {
	case t.has("dtrace: "):
		return dtraceNote(b, l)
	case t.has("Tracing... Hit Ctrl-C to end"), string(t) == "^C", t.has("Press Ctrl-C for output"):
		l.Kind, l.Text = Note, b
		return weak
	}
	t.blanks()
	if isLetter(t[0]) {
		if c, ok := heading(b); ok {
			if cols != nil {
				*cols = c
			}
			l.Kind, l.Text = Header, b
			return sure
		}
		if sentence(t, l) {
			return sure
		}
	}
	if trust := probeLine(b, l); trust != no {
		return trust
	}
	l.reset()
	if trust := flowLine(b, l); trust != no {
		return trust
	}
	l.reset()
	var s tokens
	split(b, &s)
	if trust := arrowLine(&s, 0, l, cols); trust != no {
		return trust
	}
	l.reset()
	if cols != nil && columnLine(&s, l, cols) {
		return weak
	}
	return no
}

// dtraceNote parses messages of dtrace: `dtrace: 12 drops on CPU 0`.
func dtraceNote(b []byte, l *Line) trust {
	l.Kind, l.Text = Note, b
	t := text(b)
	t.skip("dtrace: ")
	if t.has("[DTRACEDROP_") {
		t = t[min(t.index("] ")+2, len(t)):]
	}
	n, ok := t.num(max64)
	if !ok {
		return sure
	}
	if t.index(" drop") < 0 && t.index(" failed speculation") < 0 {
		return sure
	}
	l.Kind, l.Count = Lost, n
	if i := t.index(" on CPU "); i >= 0 {
		t = t[i+len(" on CPU "):]
		if cpu, ok := t.num(maxCPU); ok {
			l.CPU = int32(cpu)
		}
	}
	return sure
}

// probe is a probe of the network providers. full is nil if several providers have a probe of that
// name.
type probe struct {
	full []byte
	dir  Dir
}

// probes has the probes by name. The provider of send and receive follows from the function.
var probes = map[string]probe{
	"connect-established": {[]byte("tcp:connect-established"), Out},
	"connect-refused":     {[]byte("tcp:connect-refused"), Out},
	"connect-request":     {[]byte("tcp:connect-request"), Out},
	"accept-established":  {[]byte("tcp:accept-established"), In},
	"accept-refused":      {[]byte("tcp:accept-refused"), In},
	"state-change":        {[]byte("tcp:state-change"), DirUnknown},
	"send":                {nil, Out},
	"receive":             {nil, In},
}

// sender is a provider with the probes send and receive.
type sender struct {
	prefix        string // of its functions
	send, receive []byte
}

func (s *sender) name(d Dir) []byte {
	if d == Out {
		return s.send
	}
	return s.receive
}

var senders = []sender{
	{"tcp", []byte("tcp:send"), []byte("tcp:receive")},
	{"udp", []byte("udp:send"), []byte("udp:receive")},
	{"ip_", []byte("ip:send"), []byte("ip:receive")},
	{"ip6_", []byte("ip:send"), []byte("ip:receive")},
	{"ire_send_wire", []byte("ip:send"), []byte("ip:receive")},
	{"sctp", []byte("sctp:send"), []byte("sctp:receive")},
}

// fullName returns the name of a probe with its provider, if that can be determined.
func fullName(function, name []byte) (full []byte, dir Dir, known bool) {
	p, known := probes[string(name)]
	if !known {
		return name, DirUnknown, false
	}
	if bytes.HasPrefix(function, []byte("sctp")) && p.full != nil {
		return name, p.dir, true // the sctp provider of FreeBSD also has state-change
	}
	if p.full != nil {
		return p.full, p.dir, true
	}
	for i := range senders {
		if s := &senders[i]; text(function).has(s.prefix) {
			return s.name(p.dir), p.dir, true
		}
	}
	return name, p.dir, true
}

// probeLine parses the default output: CPU, probe id, function and name, and the output of the actions
// of the script.
func probeLine(b []byte, l *Line) trust {
	t := text(b)
	t.blanks()
	cpu, ok := t.num(maxCPU)
	if !ok || t.blanks() == 0 {
		return no
	}
	if _, ok := t.num(max32); !ok || t.blanks() == 0 {
		return no
	}
	w := t.word()
	i := bytes.LastIndexByte(w, ':')
	if i < 0 || i+1 == len(w) {
		return no
	}
	function, name := w[:i], w[i+1:]
	if !all(name, inName) || isDigit(name[0]) || len(function) > 0 && !isSymbol(function) {
		return no
	}
	t.blanks()
	l.CPU, l.Text = int32(cpu), t
	full, dir, known := fullName(function, name)
	switch {
	case string(name) == "entry" && len(function) > 0:
		l.Kind, l.Name = Enter, function
	case string(name) == "return" && len(function) > 0:
		l.Kind, l.Name = Leave, function
	default:
		l.Kind, l.Name, l.Func, l.Dir = Event, full, function, dir
	}
	if known && len(t) > 0 {
		var s tokens
		split(t, &s)
		probeEnds(&s, l)
	}
	if known || string(name) == "BEGIN" || string(name) == "END" {
		return sure
	}
	return weak
}

// probeEnds parses the output of an action after a probe, if it has two ends. For a received packet the
// arrow may point from the peer to the local end: tcpioshort.d always prints source and
// destination.
func probeEnds(s *tokens, l *Line) {
	dir, name, function, rest, cpu := l.Dir, l.Name, l.Func, l.Text, l.CPU
	if arrowLine(s, 0, l, nil) == no {
		l.reset()
	} else if dir == In && l.Dir == Out {
		l.Local, l.Peer = l.Peer, l.Local
	}
	l.Kind, l.Name, l.Func, l.Text, l.CPU = Event, name, function, rest, cpu
	if dir != DirUnknown {
		l.Dir = dir
	}
}

// flowLine parses the output of -F: CPU, and the function with an arrow, indented by two per level.
func flowLine(b []byte, l *Line) trust {
	t := text(b)
	t.blanks()
	cpu, ok := t.num(maxCPU)
	if !ok {
		return no
	}
	indent := t.blanks()
	switch {
	case t.skip("-> "), t.skip("=> "):
		l.Kind = Enter
	case t.skip("<- "), t.skip("<= "):
		l.Kind = Leave
	case t.skip("| "):
		l.Kind = Event
	default:
		return no
	}
	if indent < 1 {
		return no
	}
	w := t.word()
	t.blanks()
	l.CPU, l.Name, l.Text, l.Depth = int32(cpu), w, t, (indent-1)/2
	if l.Kind == Event {
		i := bytes.LastIndexByte(w, ':')
		if i < 0 || i+1 == len(w) || !all(w[i+1:], inName) || i > 0 && !isSymbol(w[:i]) {
			return no
		}
		l.Name, l.Dir, _ = fullName(w[:i], w[i+1:])
		l.Func = w[:i]
		return sure
	}
	if !isSymbol(w) {
		return no
	}
	if len(t) == 0 {
		return sure
	}
	return weak
}

// arrowLine parses two ends separated by an arrow, from word i on. Scripts print the local end first and
// reverse the arrow.
func arrowLine(s *tokens, i int, l *Line, cols *layout) trust {
	arrow := -1
	for k := i; k < s.n; k++ {
		if w := s.t[k].b; string(w) == "->" || string(w) == "<-" {
			arrow = k
			break
		}
	}
	if arrow <= i {
		return no
	}
	l.Kind, l.Text = Event, s.rest(i)
	l.Dir = Out
	if s.t[arrow].b[0] == '<' {
		l.Dir = In
	}
	if isState(s.at(arrow-1)) && isState(s.at(arrow+1)) {
		return stateLine(s, i, arrow, l, cols)
	}
	before, after := arrow-1, arrow+2
	separate := false
	plain := cols != nil && cols.has(colWord) // INT: ipio.d, which prints no ports
	local, ok := end(s.at(arrow-1), plain || isWord(s.at(arrow+2)))
	if !ok {
		// Address and port in columns of their own.
		a, ok1 := address(s.at(arrow - 2))
		port, ok2 := s.num(arrow-1, 1<<16-1)
		if !ok1 || !ok2 || arrow-2 < i {
			return no
		}
		local, ok = netip.AddrPortFrom(a, uint16(port)), true
		before, separate = arrow-2, true
	}
	var peer netip.AddrPort
	if separate {
		a, ok1 := address(s.at(arrow + 1))
		port, ok2 := s.num(arrow+2, 1<<16-1)
		if !ok1 || !ok2 {
			return no
		}
		peer = netip.AddrPortFrom(a, uint16(port))
		after = arrow + 3
	} else if peer, ok = end(s.at(arrow+1), plain || isWord(s.at(arrow+2))); !ok {
		return no
	}
	l.Local, l.Peer = local, peer
	known := cols != nil && cols.has(colEnds)
	if known {
		known = leading(s, i, before, colEnds, l, cols)
		trailing(s, after, l, cols)
	} else {
		guess(s, i, before, after, separate, l)
	}
	switch {
	case len(l.Flags) > 0:
		l.Name = senders[0].name(l.Dir)
	case plain:
		l.Name = senders[2].name(l.Dir)
	}
	if known || before > i && numbers(s, i, before) && l.Bytes >= 0 {
		return sure
	}
	return weak
}

// end parses one end with a port, or without one if plain is set or nothing else is possible.
func end(b []byte, plain bool) (netip.AddrPort, bool) {
	if !plain || bytes.IndexByte(b, '.') > 0 {
		if e, ok := addrPort(b); ok {
			return e, true
		}
	}
	a, ok := address(b)
	return netip.AddrPortFrom(a, 0), ok
}

// isWord reports whether b can be the name of an interface: it starts with a letter, and has no
// parentheses.
func isWord(b []byte) bool { return len(b) > 0 && isLetter(b[0]) && all(b, inName) }

func isState(b []byte) bool { return len(b) > 6 && text(b).has("state-") && all(b, inName) }

func numbers(s *tokens, i, end int) bool {
	for ; i < end; i++ {
		if _, ok := s.num(i, max64); !ok {
			return false
		}
	}
	return true
}

// stateLine parses `state-bound -> state-syn-sent`.
func stateLine(s *tokens, i, arrow int, l *Line, cols *layout) trust {
	l.Name = probes["state-change"].full
	l.Old, l.New, l.Dir = s.at(arrow-1), s.at(arrow+1), DirUnknown
	if s.t[arrow].b[0] == '<' {
		return no
	}
	before := arrow - 1
	switch {
	case cols != nil && cols.has(colStates):
		leading(s, i, before, colStates, l, cols)
		trailing(s, arrow+2, l, cols)
	case before-i == 2:
		number2(s, i, l)
	}
	return sure
}

// number2 parses CPU and µs since the previous line.
func number2(s *tokens, i int, l *Line) {
	cpu, ok1 := s.num(i, maxCPU)
	us, ok2 := s.num(i+1, max64/1000)
	if ok1 {
		l.CPU = int32(cpu)
	}
	if ok1 && ok2 {
		l.Time = Stamp{Delta, int64(us) * 1000}
	}
}

// leading parses the columns before the ends. It returns false if they differ from the heading.
func leading(s *tokens, i, before int, ends column, l *Line, cols *layout) bool {
	n := 0
	for _, c := range cols.cols[:cols.n] {
		if c == ends {
			break
		}
		if n++; c == colWall {
			n += 3
		}
	}
	if n != before-i {
		return false
	}
	for _, c := range cols.cols[:cols.n] {
		if c == ends {
			break
		}
		if i++; c == colWall {
			i += 3
		}
		value(c, s.at(i-1), l)
	}
	return true
}

// trailing parses the columns after the ends, as far as they are present.
func trailing(s *tokens, i int, l *Line, cols *layout) {
	behind := false
	for _, c := range cols.cols[:cols.n] {
		switch {
		case c == colEnds || c == colStates:
			behind = true
		case !behind:
		case c == colComm:
			l.Comm = s.rest(i)
			l.Comm = l.Comm[:min(len(l.Comm), maxComm)]
			return
		case c == colFlags:
			flags(s.rest(i), l)
			return
		default:
			value(c, s.at(i), l)
			i++
		}
	}
}

// value parses a column of one word. It ignores a value that is not a number (`-`).
func value(c column, w []byte, l *Line) {
	n, ok := number(w, max64)
	if !ok {
		return
	}
	switch c {
	case colCPU:
		if n <= maxCPU {
			l.CPU = int32(n)
		}
	case colDelta, colTime:
		if n <= max64/1000 {
			l.Time = Stamp{Delta, int64(n) * 1000}
			if c == colTime {
				l.Time.Clock = Boot
			}
		}
	case colStamp:
		l.Time = Stamp{Boot, int64(n)}
	case colPID:
		if n <= max32 {
			l.PID = uint32(n)
		}
	case colBytes:
		l.Bytes = int64(n)
	case colLatency:
		if n <= max64/1000 {
			l.Dur, l.HasDur = int64(n)*1000, true
		}
	case colCount:
		l.Count = n
	}
}

// guess parses the columns around the ends without a heading, as far as the known scripts have the same
// columns.
func guess(s *tokens, i, before, after int, separate bool, l *Line) {
	n, ok := s.num(after, max64)
	if ok {
		l.Bytes = int64(n)
	} else if w := s.at(after); isWord(w) { // the interface (ipio.d)
		if n, ok := s.num(after+1, max64); ok {
			l.Bytes = int64(n)
		}
	}
	if text(s.at(after + 1)).has("(") {
		flags(s.rest(after+1), l)
	}
	if !numbers(s, i, before) {
		return
	}
	ports := l.Local.Port() != 0 || l.Peer.Port() != 0
	switch before - i {
	case 1:
		if len(l.Flags) > 0 { // tcpio.d
			value(colCPU, s.at(i), l)
		}
	case 2:
		switch {
		case !ports: // ipio.d
			number2(s, i, l)
		case separate: // tcpsnoop of the DTraceToolkit
			value(colPID, s.at(i+1), l)
			l.Comm = s.rest(after + 1)
			l.Comm = l.Comm[:min(len(l.Comm), maxComm)]
		case len(l.Flags) > 0: // tcpsnoop.d
			value(colTime, s.at(i), l)
			value(colPID, s.at(i+1), l)
		}
	}
}

// flags parses `(PUSH|ACK)`. Scripts print a bar after each flag and delete the last one by a backspace,
// which remains in a file.
func flags(b []byte, l *Line) {
	t := text(b)
	if !t.skip("(") {
		return
	}
	i := t.index(")")
	if i < 0 {
		return
	}
	f := []byte(t[:i])
	for len(f) > 0 && (f[len(f)-1] == '\b' || f[len(f)-1] == '|' || f[len(f)-1] == ' ') {
		f = f[:len(f)-1]
	}
	if len(f) <= maxComm {
		l.Flags = f
	}
}

// columnLine parses the columns of scripts that print one address.
func columnLine(s *tokens, l *Line, cols *layout) bool {
	switch {
	case cols.has(colProcess) && cols.has(colAddr):
		return socketLine(s, l, cols)
	case cols.has(colRemote) && cols.has(colCount):
		// tcpaccept.d and tcpconnect.d print ports of different ends in columns with the same
		// name.
		a, ok := address(s.at(0))
		count, ok2 := s.num(s.n-1, max64)
		if !ok || !ok2 || s.n != 3 {
			return false
		}
		l.Peer, l.Count = netip.AddrPortFrom(a, 0), count
	case cols.has(colRemote) && cols.has(colLocal):
		// tcpwatch.d: preceded by a date.
		if s.n < 3 {
			return false
		}
		remote, ok1 := address(s.at(s.n - 3))
		local, ok2 := address(s.at(s.n - 2))
		port, ok3 := s.num(s.n-1, 1<<16-1)
		if !ok1 || !ok2 || !ok3 {
			return false
		}
		l.Peer, l.Local = netip.AddrPortFrom(remote, 0), netip.AddrPortFrom(local, uint16(port))
		l.Name, l.Dir = probes["accept-established"].full, In
	default:
		return false
	}
	l.Kind, l.Text = Event, s.rest(0)
	return true
}

// socketLine parses soconnect.d, soaccept.d and soclose.d: a process, whose name may have blanks, and the
// address of its peer.
func socketLine(s *tokens, l *Line, cols *layout) bool {
	pid, ok := s.num(0, max32)
	if !ok {
		return false
	}
	for i := 3; i+1 < s.n; i++ {
		a, ok := address(s.at(i))
		if !ok {
			continue
		}
		port, ok := s.num(i+1, 1<<16-1)
		if _, family := s.num(i-1, 255); !ok || !family {
			continue
		}
		l.Kind, l.PID, l.Peer, l.Text = Event, uint32(pid), netip.AddrPortFrom(a, uint16(port)), s.rest(0)
		l.Comm = trimRight(s.line[s.t[1].end-len(s.t[1].b) : s.t[i-2].end])
		l.Comm = l.Comm[:min(len(l.Comm), maxComm)]
		switch {
		case cols.has(colLatency):
			value(colLatency, s.at(i+2), l)
			l.Ret, l.HasRet = s.rest(i+3), i+3 < s.n
		case cols.has(colDuration):
			t := text(s.at(i + 2))
			if ns, _, ok := t.seconds(); ok && len(t) == 0 {
				l.Dur, l.HasDur = ns, true
			}
		}
		return true
	}
	return false
}

// sentences has the messages of tcptrack of FreeBSD, with their probe, and whether the peer comes first.
var sentences = []struct {
	begin, between, probe string
	peerFirst             bool
}{
	{"Accept connection from ", "to ", "accept-established", true},
	{"Refused connection from ", "to ", "accept-refused", true},
	{"Connection established to ", "from ", "connect-established", true},
	{"Connection refused by ", "from ", "connect-refused", true},
}

// sentence parses a line of tcptrack or udptrack of FreeBSD.
func sentence(t text, l *Line) bool {
	l.Text = t
	for i := range sentences {
		s := &sentences[i]
		rest := t
		if !rest.skip(s.begin) {
			continue
		}
		first, ok1 := addrPort(rest.word())
		rest.blanks()
		if !ok1 || !rest.skip(s.between) {
			return false
		}
		second, ok2 := addrPort(rest)
		if !ok2 {
			return false
		}
		p := probes[s.probe]
		l.Kind, l.Name, l.Dir, l.Peer, l.Local = Event, p.full, p.dir, first, second
		return true
	}
	rest := t
	switch {
	case rest.skip("State changed from "):
		old := rest.word()
		rest.blanks()
		if !isState(old) || !isState(rest) {
			return false
		}
		l.Kind, l.Name, l.Old, l.New = Event, probes["state-change"].full, old, rest
		return true
	case rest.skip("Received "), rest.skip("Sent "):
		n, ok := rest.num(max64)
		if !ok || !rest.skip(" bytes of data ") {
			return false
		}
		l.Name, l.Dir = senders[1].receive, In
		if t[0] == 'S' {
			l.Name, l.Dir = senders[1].send, Out
		}
		if !rest.skip("from ") && !rest.skip("to ") {
			return false
		}
		peer, ok := addrPort(rest)
		if !ok {
			return false
		}
		l.Kind, l.Bytes, l.Peer = Event, int64(n), peer
		return true
	}
	return false
}
