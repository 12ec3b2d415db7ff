package varlink

// object has the members of a message. Its slices alias the message; strings have their escapes.
type object struct {
	method, failure                  []byte
	more, oneway, upgrade, continues bool
	parameters                       bool
	any                              bool     // there is a member
	keys                             [][]byte // of the parameters
}

type state uint8

const (
	bad      state = iota // not a message
	short                 // the beginning of one
	complete              // all of it
)

// parse reads the members of a JSON object, those that a message may have.
func parse(b []byte) (o object, s state) {
	r := scanner{b: b}
	if !r.skip('{') {
		return o, r.state()
	}
	if r.skip('}') {
		return o, r.end()
	}
	for {
		key, ok := r.str()
		if !ok || !r.skip(':') {
			return o, r.state()
		}
		flag := (*bool)(nil)
		switch string(key) {
		case "method":
			o.method, ok = r.str()
		case "error":
			o.failure, ok = r.str()
		case "parameters":
			o.parameters = true
			ok = r.parameters(&o)
		case "more":
			flag = &o.more
		case "oneway":
			flag = &o.oneway
		case "upgrade":
			flag = &o.upgrade
		case "continues":
			flag = &o.continues
		default:
			return o, bad
		}
		if flag != nil {
			word := r.word()
			*flag = string(word) == "true"
			ok = *flag || string(word) == "false" || string(word) == "null"
		}
		if !ok {
			return o, r.state()
		}
		o.any = true
		if !r.skip(',') {
			if r.skip('}') {
				return o, r.end()
			}
			return o, r.state()
		}
	}
}

// parameters reads the names of the members of an object, or null.
func (r *scanner) parameters(o *object) bool {
	if r.peek() == 'n' {
		return string(r.word()) == "null"
	}
	if !r.skip('{') {
		return false
	}
	if r.skip('}') {
		return true
	}
	for {
		key, ok := r.str()
		if !ok || !r.skip(':') || !r.value() {
			return false
		}
		if len(o.keys) < maxKeys {
			o.keys = append(o.keys, key[:min(len(key), maxKey)])
		}
		if !r.skip(',') {
			return r.skip('}')
		}
	}
}

// scanner reads JSON (RFC 8259) from the beginning of bytes.
type scanner struct {
	b []byte
}

// state is that after something could not be read: more bytes may help, or not.
func (r *scanner) state() state {
	if len(r.b) == 0 {
		return short
	}
	return bad
}

// end is the state after the last bracket.
func (r *scanner) end() state {
	if r.peek(); len(r.b) > 0 {
		return bad
	}
	return complete
}

// peek returns the next byte that is not blank, 0 if there is none.
func (r *scanner) peek() byte {
	for len(r.b) > 0 && (r.b[0] == ' ' || r.b[0] == '\t' || r.b[0] == '\n' || r.b[0] == '\r') {
		r.b = r.b[1:]
	}
	if len(r.b) == 0 {
		return 0
	}
	return r.b[0]
}

func (r *scanner) skip(c byte) bool {
	if r.peek() != c || len(r.b) == 0 {
		return false
	}
	r.b = r.b[1:]
	return true
}

// str reads a string. What is in it is not unescaped.
func (r *scanner) str() ([]byte, bool) {
	if !r.skip('"') {
		return nil, false
	}
	for i := 0; i < len(r.b); i++ {
		switch c := r.b[i]; {
		case c == '\\':
			i++
		case c == '"':
			s := r.b[:i]
			r.b = r.b[i+1:]
			return s, true
		case c < ' ':
			return nil, false
		}
	}
	r.b = nil
	return nil, false
}

// word reads a number, true, false or null.
func (r *scanner) word() []byte {
	r.peek()
	i := 0
	for i < len(r.b) && (r.b[i]|0x20 >= 'a' && r.b[i]|0x20 <= 'z' || r.b[i] >= '0' && r.b[i] <= '9' || r.b[i] == '-' || r.b[i] == '+' || r.b[i] == '.') {
		i++
	}
	w := r.b[:i]
	r.b = r.b[i:]
	return w
}

// value passes any value. Brackets are only counted.
func (r *scanner) value() bool {
	for depth := 0; ; {
		switch r.peek() {
		case 0:
			return false
		case '{', '[':
			depth++
			r.b = r.b[1:]
			continue
		case '}', ']':
			if depth == 0 {
				return false
			}
			depth--
			r.b = r.b[1:]
		case ',', ':':
			if depth == 0 {
				return false
			}
			r.b = r.b[1:]
			continue
		case '"':
			if _, ok := r.str(); !ok {
				return false
			}
		default:
			if len(r.word()) == 0 {
				return false
			}
		}
		if depth == 0 {
			return true
		}
	}
}
