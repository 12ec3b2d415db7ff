package event

// Tape is a value as a sequence of tokens, in the order in which a tracer prints them: a struct is
// TStruct, its fields (each with a Name), TEnd. Tapes are cheap to create, keep and traverse;
// decoders cut them from one slab.
//
// In Call.Aux, a Name is printed before its value with a space (left {...}).
type Tape []Token

// TokenKind is the kind of a token.
type TokenKind uint8

const (
	TNone   TokenKind = iota
	TStruct           // { ... TEnd
	TArray            // [ ... TEnd
	TSet              // [a b] ... TEnd: elements separated by spaces; FNot: ~[a b]
	TFunc             // Str( ... TEnd, as BPF_STMT(...)
	TEnd
	TInt    // int64(Num), decimal
	TUint   // Num, decimal
	THex    // Num, 0x...; with Width: zero-padded to that many digits
	TDigits // Num as %#0*x: zero-padded to Width with its 0x; 0 is Width zeros
	TOct    // Num, 0...
	TPtr    // Num, NULL or 0x...
	TSym    // Num named by Tab, else 0x8 /* AF_??? */
	TFlags  // Num as bits named by Tab, A|B|0x80
	TFd     // int32(Num): a file descriptor
	TPort   // Num: a port, host order, as htons(80)
	TIface  // Num: an interface index; Str: its name, empty if unknown
	TStr    // Str: bytes of the process, quoted and escaped; Num: full length, of which Str may be the start
	THexStr // Str: as TStr, every byte as \xNN
	TText   // Str: our own text, never from the process
	TIPv4   // Str: 4 bytes
	TIPv6   // Str: 16 bytes
	TMAC    // Str: 1 byte or more
	TArrow  // => between a value before the call and after it
	TMore   // ... : there is more, which is not shown
	TNote   // /* Str */
	TTime   // int64(Num): seconds since the Unix epoch, in a note as UTC
	TAsIs   // Str: as another tool printed it
	TDur    // Num: ns
)

// Bits of Token.Flags.
const (
	// FOr joins this token to the previous one with | instead of a comma
	// (SOCK_STREAM|SOCK_CLOEXEC: one TSym, one TFlags).
	FOr = 1 << iota
	// FDec makes an unknown TSym decimal: 8 /* FOO_??? */.
	FDec
	// FVerbose marks a token (an opening one: with its contents) that is only printed in full
	// output; FBrief one that is only printed otherwise.
	FVerbose
	FBrief
	// FUnnamed marks a field whose Name is not printed.
	FUnnamed
	// FWhole marks a TStr that is not truncated to the user's limit.
	FWhole
	// FLimit marks a TArray whose elements are truncated to the user's limit.
	FLimit
	// FCut marks a TStr that continues, although Str is all that can be shown.
	FCut
	// FAbstract marks a TStr that is the name of an abstract socket: @"name".
	FAbstract
	// FNot marks a TSet that is the complement of its elements.
	FNot
	// FBare marks a TSym whose number, if unknown, is printed without a comment.
	FBare
	// FPlain marks a TIface of which only the name is printed.
	FPlain
)

// Token is one element of a Tape.
type Token struct {
	Kind  TokenKind
	Width uint8
	Flags uint16
	Name  string // of the field, inside TStruct; static
	Num   uint64
	Str   string
	Tab   *Table
}

// Table has names of numbers: constants (AF_INET) or bits (MSG_PEEK).
type Table struct {
	Unknown string // printed for a number without a name: "AF_???"
	Syms    []Sym  // constants in any order; bits in the order of display
	dense   []string
}

// Sym is one named number.
type Sym struct {
	Num  uint64
	Name string
}

// NewTable returns a table of syms, which it then owns. Of several names for one number, the first
// is used.
func NewTable(unknown string, syms ...Sym) *Table {
	t := &Table{Unknown: unknown, Syms: syms}
	const most = 1024
	top := -1
	for _, s := range syms {
		if s.Num < most {
			top = max(top, int(s.Num))
		}
	}
	t.dense = make([]string, top+1)
	for _, s := range syms {
		if s.Num < most && t.dense[s.Num] == "" {
			t.dense[s.Num] = s.Name
		}
	}
	return t
}

// Name returns the name of v, or "".
func (t *Table) Name(v uint64) string {
	if v < uint64(len(t.dense)) {
		return t.dense[v]
	}
	for i := range t.Syms {
		if t.Syms[i].Num == v {
			return t.Syms[i].Name
		}
	}
	return ""
}
