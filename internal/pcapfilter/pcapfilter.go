// Package pcapfilter compiles the language of pcap-filter(7), which tcpdump
// takes as its expression, to classic BPF, for packets that begin at the IP
// header, IPv4 and IPv6 mixed (LINKTYPE_RAW). It follows libpcap 1.10.3, the
// tests hold it to that library's own programs: ports are looked for in first
// fragments only, IPv6 extension headers are not passed (but for one fragment
// header in `proto`), accessors of transport headers read IPv4 only, a read
// beyond the packet ends the program without a match, and a test whose outcome
// cannot matter is dropped with its reads.
//
// It differs on purpose here:
//   - Names of hosts and networks are not looked up. Names of ports and
//     protocols come from a table of its own, not from this machine's files.
//   - What asks for a link-layer header is refused even where libpcap would
//     read the IP header in its place (`ether[0]`, `ether proto 0x800`) or take
//     it as never true (`arp host`, `arp[0]`, `pppoes`). Protocols of the link
//     layer without qualifiers (`arp`, `stp`) are never true, as there.
//   - `geneve` is refused, since what follows it would read inside the tunnel,
//     and `protochain`, since it takes a loop.
//   - `byte`, which the manual does not have, is refused.
//   - An accessor to the right of an arithmetic operator is tested for its
//     protocol as any other (`1 + tcp[0] = 5` matches TCP only); libpcap reads
//     those bytes of whatever packet it is.
//   - An expression that no packet can match is an error, as there, but more of
//     them are found (`ip[0xffffffff] = 1`).
//   - What is wrong in libpcap's optimizer is not (`net ::/65 and ::/65`).
package pcapfilter

import (
	"fmt"
	"math"

	"golang.org/x/net/bpf"
)

const (
	// maxExpr is the maximum length of an expression, in bytes.
	maxExpr = 64 << 10
	// maxDepth is the maximum nesting of parentheses, negations and accessors.
	maxDepth = 200
	// maxTests bounds the comparisons before those that are not needed are
	// dropped: the time of that goes up with their square.
	maxTests = 8192
	// maxInstructions is the limit of the kernel for a program, BPF_MAXINSNS.
	maxInstructions = 4096
)

// SyntaxError is the reason why an expression cannot be compiled.
type SyntaxError struct {
	Offset int    // of Word in the expression, in bytes
	Word   string // as it stands there; empty: at the end
	Reason string // what was expected, or why this cannot be had
}

func (e *SyntaxError) Error() string {
	if e.Word == "" {
		return "at the end: " + e.Reason
	}
	return fmt.Sprintf("byte %d, %q: %s", e.Offset, e.Word, e.Reason)
}

// Compile turns an expression of the pcap-filter language into a program for
// packets that begin at the IP header. The program returns 0xffffffff for a
// packet that matches and 0 for another; it is shorter than 4096 instructions.
// An empty expression, which every packet matches, gives nil and no error.
// Errors are *SyntaxError; an expression that no packet can match is one.
func Compile(expr string) ([]bpf.Instruction, error) {
	if len(expr) > maxExpr {
		return nil, tooLong(expr)
	}
	tokens, err := lex(expr)
	if err != nil {
		return nil, err
	}
	if len(tokens) == 1 {
		return nil, nil
	}
	p := newParser(tokens)
	whole, err := p.parse()
	if err != nil {
		return nil, err
	}
	entry := graph(whole)
	if entry == nil {
		return nil, tooLong(expr)
	}
	if entry == reject {
		for _, n := range p.never {
			n.pred.form = predTrue
		}
		if len(p.never) > 0 && graph(whole) != reject {
			return nil, p.never[0].word.fail("matches no packet, nor does the expression: " + noLink)
		}
		return nil, &SyntaxError{Word: expr, Reason: "matches no packet"}
	}
	prog := emit(entry)
	if len(prog) >= maxInstructions {
		return nil, tooLong(expr)
	}
	return prog, nil
}

func tooLong(expr string) error {
	const shown = 20
	return &SyntaxError{Word: expr[:min(len(expr), shown)], Reason: "the expression that begins here is too long"}
}

// match and noMatch are the return values of programs.
const (
	match   = math.MaxUint32
	noMatch = 0
)
