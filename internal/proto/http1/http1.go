// Package http1 reads HTTP/1.0 and 1.1 (RFC 9110, RFC 9112).
package http1

import (
	"bytes"
	"strconv"
	"strings"

	"github.com/pidwire/pidwire/internal/event"
	"github.com/pidwire/pidwire/internal/proto"
	"github.com/pidwire/pidwire/internal/proto/httpkey"
	"github.com/pidwire/pidwire/internal/proto/mask"
)

// Protocol is HTTP/1.
var Protocol = &proto.Protocol{
	Name: "http", Title: "HTTP",
	Ports:  []uint16{80, 8080, 8000, 8008, 3128, 8888, 5000},
	Detect: detect,
	New:    func(*proto.Conv) proto.Parser { return &parser{} },
	Keys: []*event.Key{
		keyMethod, keyTarget, keyPath, keyQuery, httpkey.Host, httpkey.Address, httpkey.Port, keyScheme, keyStatus, keyReason, keyType, keyEncoding, keyBody, keyReqBody, keyLocation,
		keyVersion, keyAgent, keyServer, keyHeader, keyUpgrade, keyPrefer,
	},
}

// Upgrades are the protocols that a connection changes to with 101, by the name in Upgrade, in lower case.
// Others are recognized by their bytes. Package list sets it.
var Upgrades = map[string]*proto.Protocol{}

var (
	keyMethod   = httpkey.Method
	keyTarget   = httpkey.Target
	keyPath     = httpkey.Path
	keyQuery    = httpkey.Query
	keyScheme   = httpkey.Scheme
	keyStatus   = httpkey.Status
	keyType     = httpkey.Type
	keyEncoding = httpkey.Encoding
	keyBody     = httpkey.Body
	keyReqBody  = httpkey.ReqBody
	keyLocation = httpkey.Location
	keyVersion  = httpkey.Version
	keyAgent    = httpkey.Agent
	keyServer   = httpkey.Server
	keyHeader   = httpkey.Header
	keyReason   = &event.Key{Name: "http.response.reason", Form: event.FormQuiet}
	keyUpgrade  = &event.Key{Name: "http.upgrade", Label: "upgrade"}
	keyPrefer   = &event.Key{Name: "http.request.prefer", Form: event.FormQuiet} // RFC 7240
)

// methods are those of RFC 9110 and of what is built on it: WebDAV, UPnP, Varnish, and others.
var methods = []string{
	"GET", "POST", "HEAD", "PUT", "DELETE", "OPTIONS", "PATCH", "CONNECT", "TRACE", "PROPFIND", "PROPPATCH", "MKCOL", "COPY", "MOVE", "LOCK", "UNLOCK",
	"REPORT", "SEARCH", "MKCALENDAR", "MKACTIVITY", "CHECKOUT", "MERGE", "NOTIFY", "SUBSCRIBE", "UNSUBSCRIBE", "M-SEARCH", "PURGE", "LINK", "UNLINK", "BIND", "REBIND", "ACL", "BAN", "QUERY",
	"VERSION-CONTROL", "CHECKIN", "UNCHECKOUT", "UPDATE", "LABEL", "BASELINE-CONTROL", "ORDERPATCH", "MKREDIRECTREF", "UPDATEREDIRECTREF", "MKWORKSPACE",
}

// maxLine is how long a request line may be until it is recognized.
const maxLine = 4000

func detect(h *proto.Hint) proto.Verdict {
	if !h.Stream {
		return proto.No
	}
	best := proto.No
	for _, b := range h.Data {
		if len(b) > 0 {
			best = max(best, begins(b))
		}
	}
	if best == proto.Wait && h.Last && cutLine(h.Begin()) {
		return proto.Sure
	}
	return best
}

// cutLine reports whether bytes are the beginning of a request line whose end was not recorded: a method and a path.
func cutLine(b []byte) bool {
	method, rest, ok := bytes.Cut(b, []byte(" "))
	return ok && isMethod(method) && len(rest) > 0 && (rest[0] == '/' || bytes.HasPrefix(rest, []byte("http"))) && graphic(rest)
}

func isMethod(b []byte) bool {
	for _, m := range methods {
		if m == string(b) {
			return true
		}
	}
	return false
}

// Cut reads a header of which only the beginning was recorded: what follows it is not known, nor where it ends.
func (p *parser) Cut(c *proto.Conv, d proto.Dir, b []byte, missing int64) int64 {
	h := &p.half[d]
	if h.mode != atHead && h.mode != atStart {
		return 0
	}
	whole := int64(len(b)) + missing
	line, rest, ended := bytes.Cut(b, []byte("\n"))
	line = bytes.TrimSuffix(line, []byte("\r"))
	if i := bytes.LastIndexByte(rest, '\n'); ended && i >= 0 {
		rest = rest[:i+1] // without the line that is cut
	} else {
		rest = nil
	}
	if method, target, version, ok := requestLine(line); ok {
		p.cutRequest(c, d, method, target, version, rest, whole)
		return whole
	}
	if code, reason, ok := statusLine(line); ok && (ended || len(line) >= 12) {
		h.mode = atHead
		p.answerCut(c, d, code, reason, line[5:8], rest, whole, ended)
		return whole
	}
	if !ended && cutLine(line) {
		method, target, _ := bytes.Cut(line, []byte(" "))
		target, _, complete := bytes.Cut(target, []byte(" "))
		if _, authority, ok := bytes.Cut(target, []byte("://")); !complete && ok && bytes.IndexByte(authority, '/') < 0 && !c.Secrets() {
			// A password may be in it: the @ that would end it is missing.
			target = append(target[:len(target)-len(authority):len(target)-len(authority)], mask.Stars...)
		}
		if !complete {
			target = append(append([]byte(nil), target...), "..."...)
		}
		p.cutRequest(c, d, method, target, nil, nil, whole)
		return whole
	}
	return 0
}

// cutRequest emits a request whose header is cut.
func (p *parser) cutRequest(c *proto.Conv, d proto.Dir, method, target, version, rest []byte, whole int64) {
	p.half[d].mode = atStart // a body may follow
	p.doubt = false
	m, x := p.asked(c, d, method, target, version, rest, nil)
	m.Bytes = whole
	p.queue.Push(x)
	c.Emit(m)
}

// answerCut emits an answer whose header is cut. Where it ends is not known: at the next request.
func (p *parser) answerCut(c *proto.Conv, d proto.Dir, code int, reason, version, rest []byte, whole int64, ended bool) {
	var hd headers
	readHeaders(rest, &hd)
	m := p.answered(c, d, code, reason, version, &hd)
	m.Bytes = whole
	if code >= 400 && !ended {
		m.Text += "..."
	}
	if code < 200 {
		p.notice(c, m)
		return
	}
	x := p.queue.Pop()
	c.Close(&x, m)
	c.Emit(m)
	p.half[d].mode = atStart
}

// begins says whether bytes are the beginning of a message.
func begins(b []byte) proto.Verdict {
	b = bytes.TrimLeft(b, "\r\n")
	line, _, whole := bytes.Cut(b, []byte("\n"))
	line = bytes.TrimSuffix(line, []byte("\r"))
	const version = "HTTP/1."
	if n := min(len(version), len(line)); string(line[:n]) == version[:n] {
		switch {
		case n < len(version) && whole:
			return proto.No
		case n < len(version):
			return proto.Wait
		case !whole && len(line) < 12:
			return proto.Wait
		}
		if _, _, ok := statusLine(line); ok {
			return proto.Sure
		}
		return proto.No
	}
	method, rest, ok := bytes.Cut(line[:min(len(line), maxMethod+1)], []byte(" "))
	if ok {
		rest = line[len(method)+1:]
	}
	if !ok {
		if whole || len(line) > maxMethod {
			return proto.No
		}
		for _, m := range methods {
			if strings.HasPrefix(m, string(method)) {
				return proto.Wait
			}
		}
		return proto.No
	}
	if !isToken(method) {
		return proto.No
	}
	if !whole {
		for _, m := range methods {
			if m == string(method) && len(line) < maxLine && graphic(rest) {
				return proto.Wait
			}
		}
		return proto.No
	}
	if _, _, _, ok := requestLine(line); ok {
		return proto.Sure
	}
	return proto.No
}

// graphic reports whether bytes can be a part of a request line.
func graphic(b []byte) bool {
	for _, c := range b {
		if c < ' ' || c == 0x7f {
			return false
		}
	}
	return true
}

// token has the characters of tokens: RFC 9110, 5.6.2.
var token = func() (list [256]bool) {
	for c := byte(' ') + 1; c < 0x7f; c++ {
		list[c] = strings.IndexByte(`"(),/:;<=>?@[\]{}`, c) < 0
	}
	return list
}()

func isToken(b []byte) bool {
	for _, c := range b {
		if !token[c] {
			return false
		}
	}
	return len(b) > 0 && len(b) <= maxMethod
}

// maxMethod is the longest method of a request that is taken for one.
const maxMethod = 32

// requestLine splits "GET /path HTTP/1.1".
func requestLine(line []byte) (method, target, version []byte, ok bool) {
	method, rest, ok := bytes.Cut(line, []byte(" "))
	if !ok || !isToken(method) {
		return nil, nil, nil, false
	}
	i := bytes.LastIndexByte(rest, ' ')
	if i < 0 {
		return nil, nil, nil, false
	}
	target, version = bytes.TrimSpace(rest[:i]), rest[i+1:]
	if len(version) != 8 || string(version[:7]) != "HTTP/1." || version[7] < '0' || version[7] > '9' || len(target) == 0 || !graphic(target) {
		return nil, nil, nil, false
	}
	return method, target, version[5:], true
}

// statusLine splits "HTTP/1.1 200 OK".
func statusLine(line []byte) (code int, reason []byte, ok bool) {
	if len(line) < 12 || string(line[:7]) != "HTTP/1." || line[7] < '0' || line[7] > '9' || line[8] != ' ' {
		return 0, nil, false
	}
	for _, c := range line[9:12] {
		if c < '0' || c > '9' {
			return 0, nil, false
		}
		code = code*10 + int(c-'0')
	}
	if len(line) > 12 {
		if line[12] != ' ' {
			return 0, nil, false
		}
		reason = line[13:]
	}
	return code, reason, code >= 100
}

// mode is what follows in a direction.
type mode uint8

const (
	atHead  mode = iota
	inBody       // a body of known length, or until the end: bytes are skipped
	atChunk      // the size of a chunk
	inChunk      // its bytes
	atTrail      // the lines after the last chunk
	inHole       // in a body whose end is not known, as bytes are missing
	atStart      // bytes were missing: until a message begins
)

// half is one direction.
type half struct {
	mode mode
	m    *event.Message // the message whose body is read; nil if it has been emitted whole
	at   proto.At
	head bool           // its beginning has been emitted
	x    proto.Exchange // of an answer
	body int64          // bytes of the body so far
	size *event.Field   // where they are stored
	some bool           // a message has begun
}

type parser struct {
	half  [2]half
	queue proto.Queue // requests without their answer
	// client is the direction of requests, once known.
	client proto.Dir
	known  bool
	doubt  bool // messages are missing: the next answer may be that to another request
}

// Kinds of requests, whose answers have no body or are special.
const (
	plain = iota
	isHead
	isConnect
)

func (p *parser) Held() int { return 320 + p.queue.Held() }

func (p *parser) Read(c *proto.Conv, d proto.Dir, b []byte) int {
	h := &p.half[d]
	switch h.mode {
	case atHead:
		return p.head(c, d, b)
	case atChunk:
		return p.chunk(c, d, b)
	case atTrail:
		return p.trailer(c, d, b)
	case inHole, atStart:
		return p.resync(c, d, b)
	}
	return len(b)
}

// resync reads after bytes that are missing, until a message begins.
func (p *parser) resync(c *proto.Conv, d proto.Dir, b []byte) int {
	h := &p.half[d]
	begin := begins(b)
	if begin == proto.Wait {
		return 0
	}
	if begin == proto.Sure {
		p.done(c, d, "its end was not recorded")
		h.mode = atHead
		return p.head(c, d, b)
	}
	if h.mode == inHole {
		h.body += int64(len(b))
		if bytes.HasSuffix(b, []byte("\r\n0\r\n\r\n")) {
			p.done(c, d, "a part of it was not recorded")
			h.mode = atHead
		}
	}
	return len(b)
}

// headEnd returns the length of the header of a message, with the empty line after it; 0 if it is not
// complete.
func headEnd(b []byte) int {
	for at := 0; ; {
		i := bytes.IndexByte(b[at:], '\n')
		if i < 0 {
			return 0
		}
		at += i + 1
		if at < len(b) && b[at] == '\n' {
			return at + 1
		}
		if at+1 < len(b) && b[at] == '\r' && b[at+1] == '\n' {
			return at + 2
		}
	}
}

func (p *parser) head(c *proto.Conv, d proto.Dir, b []byte) int {
	if b[0] == '\r' || b[0] == '\n' {
		return 1 // an empty line before the message: RFC 9112, 2.2
	}
	n := headEnd(b)
	if n == 0 {
		if i := bytes.IndexByte(b, '\n'); i >= 0 && begins(b[:i+1]) != proto.Sure || i < 0 && !p.half[d].some && begins(b) == proto.No && proto.Like(b) != "" {
			c.Fail("not a message of HTTP/1")
		}
		return 0
	}
	p.half[d].some = true
	line, rest, _ := bytes.Cut(b[:n], []byte("\n"))
	line = bytes.TrimSuffix(line, []byte("\r"))
	if method, target, version, ok := requestLine(line); ok {
		p.request(c, d, method, target, version, rest, n, int64(len(b)-n))
		return n
	}
	if code, reason, ok := statusLine(line); ok {
		p.answer(c, d, code, reason, line[5:8], rest, n, int64(len(b)-n))
		return n
	}
	c.Fail("not a message of HTTP/1")
	return 0
}

// headers are the fields of a header that matter.
type headers struct {
	length   int64 // -1: none
	chunked  bool
	other    bool // a transfer coding that ends with the connection
	host     []byte
	kind     []byte
	encoding []byte
	agent    []byte
	server   []byte
	location []byte
	upgrade  []byte
	prefer   []byte
	secrets  [][2][]byte // names and values
}

// harmless are the most common names of headers without secrets, as they are usually written.
var harmless = map[string]bool{
	"Accept": true, "Accept-Encoding": true, "Accept-Language": true, "Accept-Ranges": true, "Access-Control-Allow-Origin": true, "Age": true, "Cache-Control": true,
	"Connection": true, "Date": true, "ETag": true, "Etag": true, "Expires": true, "Keep-Alive": true, "Last-Modified": true, "Origin": true, "Pragma": true, "Range": true, "Referer": true,
	"Strict-Transport-Security": true, "Vary": true, "Via": true, "X-Content-Type-Options": true, "X-Forwarded-For": true, "X-Forwarded-Proto": true, "X-Frame-Options": true,
	"accept": true, "accept-encoding": true, "connection": true, "date": true, "vary": true, "Content-Range": true, "If-Modified-Since": true, "If-None-Match": true, "Expect": true,
}

// each calls f for each field of a header: lines that begin with blanks continue the one before.
func each(b []byte, f func(name, value []byte)) {
	for len(b) > 0 {
		line := b
		if i := bytes.IndexByte(b, '\n'); i >= 0 {
			line, b = b[:i], b[i+1:]
		} else {
			b = nil
		}
		i := bytes.IndexByte(line, ':')
		if i < 0 {
			continue
		}
		end := i
		for end > 0 && (line[end-1] == ' ' || line[end-1] == '\t') {
			end--
		}
		f(line[:end], bytes.TrimSpace(line[i+1:]))
	}
}

func equal(b []byte, name string) bool {
	return len(b) == len(name) && strings.EqualFold(proto.Text(b), name)
}

func readHeaders(b []byte, h *headers) {
	h.length = -1
	each(b, func(name, value []byte) {
		if len(name) == 0 {
			return
		}
		switch name[0] | 0x20 {
		case 'c':
			switch {
			case equal(name, "content-length"):
				first, _, _ := bytes.Cut(value, []byte(","))
				if n, err := strconv.ParseInt(proto.Text(bytes.TrimSpace(first)), 10, 64); err == nil && n >= 0 {
					h.length = n
				}
				return
			case equal(name, "content-type"):
				h.kind = value
				return
			case equal(name, "content-encoding"):
				h.encoding = value
				return
			}
		case 't':
			if equal(name, "transfer-encoding") {
				last := value[bytes.LastIndexByte(value, ',')+1:]
				h.chunked = equal(bytes.TrimSpace(last), "chunked")
				h.other = !h.chunked && !equal(value, "identity")
				return
			}
		case 'h':
			if equal(name, "host") {
				h.host = value
				return
			}
		case 'p':
			if equal(name, "prefer") {
				h.prefer = value
				return
			}
		case 'u':
			switch {
			case equal(name, "user-agent"):
				h.agent = value
				return
			case equal(name, "upgrade"):
				h.upgrade = value
				return
			}
		case 's':
			if equal(name, "server") {
				h.server = value
				return
			}
		case 'l':
			if equal(name, "location") {
				h.location = value
				return
			}
		}
		if !harmless[proto.Text(name)] && mask.Header(proto.Text(name)) && len(h.secrets) < 8 {
			h.secrets = append(h.secrets, [2][]byte{name, value})
		}
	})
}

func text(k *event.Key, b []byte) event.Field { return event.Field{Key: k, Text: proto.Text(b)} }

// credentials adds the headers with secrets: their names, and with --secrets their values.
func credentials(c *proto.Conv, m *event.Message, h *headers) {
	for _, s := range h.secrets {
		m.Fields = append(m.Fields, event.Field{Key: keyHeader, Text: proto.Text(s[0]) + ": " + c.Secret(proto.Text(s[1]))})
	}
}

// asked returns the message of a request, and its exchange.
func (p *parser) asked(c *proto.Conv, d proto.Dir, method, target, version, rest []byte, hd *headers) (*event.Message, proto.Exchange) {
	if hd == nil {
		hd = &headers{}
		readHeaders(rest, hd)
	}
	p.client, p.known = d, true
	shown := proto.Text(target)
	if !c.Secrets() {
		shown = mask.URL(shown)
	}
	m := c.Message(event.MessageRequest, d)
	m.Text = proto.Text(method) + " " + shown
	m.Fields = append(c.Fields(12+len(hd.secrets)), text(keyMethod, method))
	path, query, asked := strings.Cut(shown, "?")
	scheme := ""
	if i := strings.Index(path, "://"); i > 0 && i < 12 {
		scheme, path = path[:i], path[i+3:]
		if j := strings.IndexByte(path, '/'); j >= 0 {
			path = path[j:]
		} else {
			path = "/"
		}
		m.Fields = append(m.Fields, event.Field{Key: keyScheme, Text: scheme})
		m.Relayed = true // RFC 9112, 3.2.2: the absolute form is for proxies
	}
	if equal(method, "CONNECT") {
		m.Relayed = true
		m.Fields = append(m.Fields, event.Field{Key: keyTarget, Text: shown})
	} else {
		m.Fields = append(m.Fields, event.Field{Key: keyPath, Text: path})
	}
	if asked {
		m.Fields = append(m.Fields, event.Field{Key: keyQuery, Text: query})
	}
	if len(hd.host) > 0 {
		m.Fields = httpkey.AddHost(m.Fields, hd.host)
	}
	if len(hd.upgrade) > 0 {
		m.Fields = append(m.Fields, text(keyUpgrade, hd.upgrade))
	}
	if len(hd.agent) > 0 {
		m.Fields = append(m.Fields, text(keyAgent, hd.agent))
	}
	if len(hd.prefer) > 0 {
		m.Fields = append(m.Fields, text(keyPrefer, hd.prefer))
	}
	if len(version) > 0 {
		m.Fields = append(m.Fields, text(keyVersion, version))
	}
	credentials(c, m, hd)
	m.Group = proto.Text(method) + " " + mask.Group(path)
	x := c.Open(m)
	switch {
	case equal(method, "HEAD"):
		x.Kind = isHead
	case equal(method, "CONNECT"):
		x.Kind = isConnect
	}
	return m, x
}

// request handles the header of a request, of n bytes. have bytes after it are there.
func (p *parser) request(c *proto.Conv, d proto.Dir, method, target, version, rest []byte, n int, have int64) {
	var hd headers
	readHeaders(rest, &hd)
	m, x := p.asked(c, d, method, target, version, nil, &hd)
	m.Bytes = int64(n)
	p.queue.Push(x)
	if other := &p.half[d.Other()]; other.mode == inHole {
		// The client asks again: it has read the answer to the end.
		p.done(c, d.Other(), "its end was not recorded")
		other.mode = atStart
	}
	h := &p.half[d]
	switch {
	case hd.chunked:
		h.mode = atChunk
	case hd.length > 0 && hd.length <= have:
		// The body is there: the message need not be kept until it has passed.
		h.mode = inBody
		c.Skip(d, hd.length)
		m.Bytes += hd.length
		sizeField(m, keyReqBody, hd.kind).Num = hd.length
		c.Emit(m)
		return
	case hd.length > 0:
		h.mode = inBody
		c.Skip(d, hd.length)
	default:
		c.Emit(m)
		return
	}
	h.size = sizeField(m, keyReqBody, hd.kind)
	p.hold(c, d, m, proto.Exchange{})
}

// sizeField adds the fields of a body, and returns that of its size.
func sizeField(m *event.Message, size *event.Key, kind []byte) *event.Field {
	if len(kind) > 0 {
		m.Fields = append(m.Fields, text(keyType, kind))
	}
	m.Fields = append(m.Fields, event.Field{Key: size})
	return &m.Fields[len(m.Fields)-1]
}

// hold keeps a message until its body has passed.
func (p *parser) hold(c *proto.Conv, d proto.Dir, m *event.Message, x proto.Exchange) {
	proto.Own(m)
	h := &p.half[d]
	c.Began(&x)
	h.m, h.at, h.x, h.body, h.head = m, c.Here(), x, 0, false
	c.Later()
}

// answered returns the message of an answer.
func (p *parser) answered(c *proto.Conv, d proto.Dir, code int, reason, version []byte, hd *headers) *event.Message {
	p.client, p.known = d.Other(), true
	m := c.Message(event.MessageAnswer, d)
	number := strconv.Itoa(code)
	m.Text = number
	m.Fields = append(c.Fields(9+len(hd.secrets)), event.Field{Key: keyStatus, Num: int64(code)})
	if code >= 400 {
		m.Error = number
		if len(reason) > 0 {
			m.Text = number + " " + proto.Text(reason)
		}
	}
	if len(reason) > 0 {
		m.Fields = append(m.Fields, text(keyReason, reason))
	}
	if len(hd.location) > 0 {
		where := proto.Text(hd.location)
		if !c.Secrets() {
			where = mask.URL(where)
		}
		m.Fields = append(m.Fields, event.Field{Key: keyLocation, Text: where})
	}
	if len(hd.server) > 0 {
		m.Fields = append(m.Fields, text(keyServer, hd.server))
	}
	if len(hd.encoding) > 0 && !equal(hd.encoding, "identity") {
		m.Fields = append(m.Fields, text(keyEncoding, hd.encoding))
	}
	m.Fields = append(m.Fields, text(keyVersion, version))
	credentials(c, m, hd)
	return m
}

// notice emits an answer after which the real one still comes.
func (p *parser) notice(c *proto.Conv, m *event.Message) {
	m.Kind = event.MessageNotice
	if x := p.queue.First(); x != nil {
		m.Exchange = x.ID
	}
	c.Emit(m)
}

// answer handles the header of an answer, of n bytes. have bytes after it are there.
func (p *parser) answer(c *proto.Conv, d proto.Dir, code int, reason, version, rest []byte, n int, have int64) {
	var hd headers
	readHeaders(rest, &hd)
	m := p.answered(c, d, code, reason, version, &hd)
	m.Bytes = int64(n)
	if code < 200 && code != 101 {
		p.notice(c, m)
		return
	}
	x := p.queue.Pop()
	if p.doubt {
		m.Unsure = "messages before it were not recorded"
		p.doubt = p.queue.Len() > 0
	}
	h := &p.half[d]
	switch {
	case code == 101, x.Kind == isConnect && code/100 == 2:
		c.Close(&x, m)
		c.Emit(m)
		c.Switch(Upgrades[strings.ToLower(string(hd.upgrade))])
		return
	case x.Kind == isHead, code == 204, code == 304:
		c.Close(&x, m)
		c.Emit(m)
		return
	case hd.chunked:
		h.mode = atChunk
	case hd.length == 0 && !hd.other:
		m.Fields = append(m.Fields, event.Field{Key: keyBody})
		c.Close(&x, m)
		c.Emit(m)
		return
	case hd.length > 0 && !hd.other && hd.length <= have:
		h.mode = inBody
		c.Skip(d, hd.length)
		m.Bytes += hd.length
		sizeField(m, keyBody, hd.kind).Num = hd.length
		c.Close(&x, m)
		c.Emit(m)
		return
	case hd.length > 0 && !hd.other:
		h.mode = inBody
		c.Skip(d, hd.length)
	default:
		h.mode = inBody
		c.Skip(d, -1)
	}
	h.size = sizeField(m, keyBody, hd.kind)
	p.hold(c, d, m, x)
}

// chunk reads the line with the size of a chunk.
func (p *parser) chunk(c *proto.Conv, d proto.Dir, b []byte) int {
	i := bytes.IndexByte(b, '\n')
	if i < 0 {
		if len(b) > 256 {
			c.Fail("not the size of a chunk")
		}
		return 0
	}
	digits, _, _ := bytes.Cut(bytes.TrimSpace(b[:i]), []byte(";"))
	size, err := strconv.ParseUint(proto.Text(bytes.TrimSpace(digits)), 16, 62)
	if err != nil {
		c.Fail("not the size of a chunk")
		return 0
	}
	h := &p.half[d]
	if h.m != nil {
		h.m.Bytes += int64(i + 1)
	}
	if size == 0 {
		h.mode = atTrail
		return i + 1
	}
	h.mode = inChunk
	h.body += int64(size)
	if h.m != nil {
		h.m.Bytes += int64(size) + 2
	}
	c.Skip(d, int64(size)+2)
	return i + 1
}

func (p *parser) trailer(c *proto.Conv, d proto.Dir, b []byte) int {
	i := bytes.IndexByte(b, '\n')
	if i < 0 {
		return 0
	}
	h := &p.half[d]
	if h.m != nil {
		h.m.Bytes += int64(i + 1)
	}
	if i == 0 || i == 1 && b[0] == '\r' {
		p.done(c, d, "")
		h.mode = atHead
	}
	return i + 1
}

func (p *parser) Skipped(c *proto.Conv, d proto.Dir) {
	h := &p.half[d]
	if h.mode == inChunk {
		h.mode = atChunk
		return
	}
	p.passed(c, d)
	h.mode = atHead
	p.done(c, d, "")
}

// passed counts the bytes of a body that is not in chunks.
func (p *parser) passed(c *proto.Conv, d proto.Dir) {
	if h := &p.half[d]; h.m != nil && h.mode == inBody {
		h.m.Bytes += c.Passed(d) - h.body
		h.body = c.Passed(d)
	}
}

// done emits the message whose body has passed.
func (p *parser) done(c *proto.Conv, d proto.Dir, unsure string) {
	h := &p.half[d]
	m := h.m
	if m == nil {
		return
	}
	h.m = nil
	if h.head {
		whole := c.Message(m.Kind, d)
		end := whole.End
		*whole = *m
		whole.Fields = append(c.Fields(len(m.Fields)), m.Fields...)
		whole.Part, whole.End = event.Rest, end
		for i := range whole.Fields {
			if &m.Fields[i] == h.size {
				h.size = &whole.Fields[i]
			}
		}
		m = whole
	} else {
		_, m.End = c.Times()
	}
	h.size.Num = h.body
	if unsure != "" {
		m.Unsure = unsure
	}
	p.close(c, h, m)
	c.EmitAt(m, h.at)
}

// close makes an answer with an exchange one, with its time.
func (p *parser) close(c *proto.Conv, h *half, m *event.Message) {
	if m.Kind == event.MessageAnswer {
		c.Close(&h.x, m)
		return
	}
	// The request has its exchange already; its last byte has been sent now.
	if x := p.queue.Last(); x != nil && x.ID == m.Exchange {
		c.Sent(x, m.End)
	}
}

func (p *parser) Pause(c *proto.Conv) {
	for d := range p.half {
		h := &p.half[d]
		if h.m == nil || h.head {
			continue
		}
		h.head = true
		p.passed(c, proto.Dir(d))
		m := *h.m
		_, end := c.Times()
		m.End = max(m.End, end) // The last unit can be an earlier one of the other direction.
		m.Fields = append(c.Fields(len(m.Fields)), m.Fields...)
		m.Part = event.Head
		if m.Kind == event.MessageAnswer {
			c.Close(&h.x, &m)
		}
		e := c.Message(m.Kind, proto.Dir(d))
		*e = m
		c.EmitAt(e, h.at)
	}
}

func (p *parser) Lost(c *proto.Conv, d proto.Dir, n int64) bool {
	h := &p.half[d]
	switch h.mode {
	case atChunk, inChunk, atTrail, inHole:
		h.mode = inHole
		if n > 0 {
			h.body += n
		}
	default:
		h.mode = atStart
		p.doubt = true
		if p.known && d != p.client {
			p.queue.Clear() // some of the answers may be missing
		}
	}
	return true
}

func (p *parser) Ended(c *proto.Conv, d proto.Dir) {
	h := &p.half[d]
	if h.m == nil {
		return
	}
	if h.mode == inHole {
		p.done(c, d, "a part of it was not recorded")
		return
	}
	p.passed(c, d)
	p.done(c, d, proto.Incomplete)
}
