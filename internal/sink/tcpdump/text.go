package tcpdump

// textProto is a text protocol.
type textProto struct {
	name, caps string
	commands   []string // nil: each packet starts with a line to be shown
}

var (
	ftpText   = textProto{name: "ftp", caps: "FTP"}
	smtpText  = textProto{name: "smtp", caps: "SMTP"}
	whoisText = textProto{name: "whois", caps: "WHOIS"}
	httpText  = textProto{"http", "HTTP", []string{
		"GET", "PUT", "COPY", "HEAD", "LOCK", "MOVE", "POLL", "POST", "BCOPY", "BMOVE", "MKCOL", "TRACE", "LABEL", "MERGE",
		"DELETE", "SEARCH", "UNLOCK", "REPORT", "UPDATE", "NOTIFY", "BDELETE", "CONNECT", "OPTIONS", "CHECKIN", "PROPFIND",
		"CHECKOUT", "CCM_POST", "SUBSCRIBE", "PROPPATCH", "BPROPFIND", "BPROPPATCH", "UNCHECKOUT", "MKACTIVITY",
		"MKWORKSPACE", "UNSUBSCRIBE", "RPC_CONNECT", "VERSION-CONTROL", "BASELINE-CONTROL",
	}}
	rtspText = textProto{"rtsp", "RTSP", []string{
		"DESCRIBE", "ANNOUNCE", "GET_PARAMETER", "OPTIONS", "PAUSE", "PLAY", "RECORD", "REDIRECT", "SETUP", "SET_PARAMETER",
		"TEARDOWN",
	}}
	sipText = textProto{"sip", "SIP", []string{
		"ACK", "BYE", "CANCEL", "DO", "INFO", "INVITE", "MESSAGE", "NOTIFY", "OPTIONS", "PRACK", "QAUTH", "REFER",
		"REGISTER", "SPRACK", "SUBSCRIBE", "UPDATE", "PUBLISH",
	}}
)

// text writes the first line of n bytes at offset at, if it is a request or a response. With -v
// it writes all lines up to the first that is not text.
func (w *writer) text(at int, n uint32, t *textProto) {
	w.proto = t.name
	b := w.d[at:w.end]
	if w.has(at, n) {
		b = b[:n]
	}
	w.str(t.caps)
	if t.commands != nil && !begins(b, t.commands, uint32(len(b)) < n) {
		return
	}
	if w.o.Verbose == 0 {
		w.line(": ", b, n)
		return
	}
	w.say(", length: ", n)
	for n > 0 {
		used := w.line("\n\t", b, n)
		if used == 0 {
			return
		}
		b, n = b[used:], n-uint32(used)
	}
}

// begins reports whether b starts with a command, or has a status code of three digits as its
// second word. short means that b is truncated.
func begins(b []byte, commands []string, short bool) bool {
	first, rest := token(b, short)
	if first == nil {
		return false
	}
	for _, c := range commands {
		if equalFold(first, c) {
			return true
		}
	}
	second, _ := token(rest, short)
	return len(second) == 3 && digit(second[0]) && digit(second[1]) && digit(second[2])
}

func digit(c byte) bool { return c >= '0' && c <= '9' }

func equalFold(b []byte, s string) bool {
	if len(b) != len(s) {
		return false
	}
	for i, c := range b {
		if c >= 'a' && c <= 'z' {
			c -= 'a' - 'A'
		}
		if c != s[i] {
			return false
		}
	}
	return true
}

// token returns the first word of b, nil if there is none, and the rest after the blanks that
// follow it.
func token(b []byte, short bool) (word, rest []byte) {
	const most = 128
	i := 0
	for i < len(b) && !blank(b[i]) && b[i] != '\r' && b[i] != '\n' {
		if b[i] < ' ' || b[i] > '~' {
			return nil, nil
		}
		i++
	}
	if i == 0 || i > most || i == len(b) && short {
		return nil, nil
	}
	word = b[:i]
	for i < len(b) && b[i] == ' ' {
		i++
	}
	return word, b[i:]
}

func blank(c byte) bool { return c == ' ' || c == '\t' }

// line writes before and the first line of b, and returns its length including the line end. It
// returns 0 if the line is not text or has no end. n is the length of b on the wire.
func (w *writer) line(before string, b []byte, n uint32) int {
	for i, c := range b {
		switch {
		case c == '\n':
			w.write(before, b[:i])
			return i + 1
		case c == '\r':
			if uint32(i)+1 >= n {
				return 0
			}
			if i+1 >= len(b) {
				w.lost()
				return 0
			}
			if b[i+1] != '\n' {
				return 0
			}
			w.write(before, b[:i])
			return i + 2
		case (c < ' ' || c > '~') && c != '\t':
			return 0
		}
	}
	if uint32(len(b)) < n {
		w.lost()
		return 0
	}
	w.write(before, b)
	w.trunc()
	return 0
}

func (w *writer) write(before string, b []byte) {
	w.str(before)
	if !w.cut {
		w.b = append(w.b, b...)
	}
}

// ssh writes the SSH version string (RFC 4253 4.2).
func (w *writer) ssh(at int, n uint32) {
	w.proto = "ssh"
	b := w.d[at:w.end]
	const magic = "SSH-"
	for i := range magic {
		if i >= len(b) {
			w.lost()
			return
		}
		if b[i] != magic[i] {
			return
		}
	}
	if w.has(at, n) {
		b = b[:n]
	}
	for i := len(magic); uint32(i) < n; i++ {
		if i >= len(b) {
			w.lost()
			return
		}
		c := b[i]
		if c == '\r' {
			if uint32(i)+1 >= n {
				return
			}
			if i+1 >= len(b) {
				w.lost()
				return
			}
			if b[i+1] != '\n' {
				return
			}
		}
		if c == '\r' || c == '\n' {
			w.str(": SSH: ")
			w.write("", b[:i])
			return
		}
		if c < ' ' || c > '~' {
			return
		}
	}
}
