package event

import (
	"slices"
	"strings"
)

// Message is a message of an application protocol, or the part of one that is known. The Event has
// the time and the task of the call or packet that had its first byte. Text and fields are bytes
// of the process or its peer: hostile. Secrets in them have been replaced, unless the user asked for them.
type Message struct {
	Proto    string // as in -e msg=: "http"; static
	Title    string // as in lines: "HTTP"; static
	Kind     MessageKind
	Dir      Direction // DirOut: this end of the connection sent it
	Text     string    // what it says, in words of the protocol: "GET /", "200"
	Fields   []Field
	Part     MessagePart
	Bytes    int64  // in the stream, with all headers; Head: so far
	Exchange uint64 // number of the exchange that it belongs to, from 1 in a timeline; 0: none
	Group    string // what the exchange is counted under: "GET /items/*", "A"; empty: not counted
	Error    string // error.type, if the message reports a failure: "404", "NXDOMAIN"
	Relayed  bool   // it asks the peer to pass something on to another host: what follows is not the peer's
	Unsure   string // why the protocol or the exchange may be wrong; static, empty: certain
	Reason   string // unknown: why it could not be read; static

	Begin, End int64 // of its first and last byte, ns since the Unix epoch
	// Took is the time from the first byte of the request to the end of this answer, or of its
	// Head, in ns; of a message about a connection, that of the connection. 0 unless Timed.
	Took   int64
	Slack  int64   // how far Took may be off, ns; 0 with the kernel's clock
	Budget *Budget // of Took; nil if there is none
	Resent int64   // how much of ShareNetwork is because this end sent something again, ns
	Shut   int64   // how much of ShareQueue this end's TCP window was closed, ns
}

// MessageKind is the role of a message in an exchange.
type MessageKind uint8

const (
	MessageRequest MessageKind = iota
	MessageAnswer
	MessageNotice // neither asked for nor answered
)

func (k MessageKind) String() string {
	switch k {
	case MessageRequest:
		return "request"
	case MessageAnswer:
		return "answer"
	}
	return "notice"
}

// Timed reports whether Took is a time.
func (b *Message) Timed() bool {
	return b.Kind == MessageAnswer && b.Exchange != 0 || b.Budget != nil
}

// MessagePart says how much of a message an entry is about.
type MessagePart uint8

const (
	WholeMessage MessagePart = iota
	Head                     // its beginning; an entry with Rest follows at its end
	Rest                     // its end, with the size and the times of the whole message
)

// Key is the name of a field of messages. Keys are static; fields are compared by their pointers.
type Key struct {
	Name  string // dotted path in JSON, a name of OpenTelemetry where it has one: "http.request.method"
	Label string // in lines, before the value and a =; empty: the value alone
	Form  Form
	Many  bool // a message may have several: an array in JSON
	// Names is set if the value is the name that the sender of a request gives to its peer.
	Names NameFrom
}

// Form is how the value of a field is written.
type Form uint8

const (
	FormText  Form = iota
	FormInt        // Num
	FormBytes      // Num: a size in bytes
	FormNS         // Num: a duration in ns
	FormBool       // Num: 0 or 1
	FormQuiet      // text that lines do not show
	FormCount      // Num, which lines do not show
)

// Number reports whether the value is Field.Num.
func (f Form) Number() bool { return f != FormText && f != FormQuiet }

// Quiet reports whether lines omit the field.
func (f Form) Quiet() bool { return f == FormQuiet || f == FormCount }

// Field is a value of a message.
type Field struct {
	*Key
	Text string
	Num  int64
}

func (b *Message) visit(e *Entry, v Visitor) { v.Message(e, b) }

func (b *Message) clone() Body {
	c := *b
	c.Text, c.Group, c.Error = strings.Clone(b.Text), strings.Clone(b.Group), strings.Clone(b.Error)
	c.Fields = slices.Clone(b.Fields)
	for i := range c.Fields {
		c.Fields[i].Text = strings.Clone(c.Fields[i].Text)
	}
	if b.Budget != nil {
		budget := *b.Budget
		c.Budget = &budget
	}
	return &c
}

// Share is one of the parts that a time is divided into.
type Share uint8

// The shares, in the order in which they occur in an exchange. docs/BUDGET.md defines them.
const (
	ShareName     Share = iota // look-up of the name
	ShareConnect               // from the first SYN to the end of the handshake
	ShareTLS                   // handshake of TLS
	ShareSend                  // our sending: from the call to the wire
	ShareNetwork               // round trips
	SharePeer                  // the peer has all, and has sent nothing back
	ShareTransfer              // the peer is sending
	ShareQueue                 // received, and not read by the process
	ShareOwn                   // the process: from what it has read to what it sends
	ShareIdle                  // nobody has anything to do
	ShareUnknown               // not divided: a layer that would tell is not there
	Shares
)

func (s Share) String() string {
	if s < Shares {
		return shares[s]
	}
	return "unknown"
}

var shares = [Shares]string{"name", "connect", "tls", "send", "network", "peer", "transfer", "queue", "own", "idle", "unknown"}

// Budget has the ns of each share of a time. Their sum is that time.
type Budget [Shares]int64
