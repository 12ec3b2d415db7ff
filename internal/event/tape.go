package event

// Tape is a value as a run of tokens, in the order in which a tracer would
// write them: a struct is TStruct, its fields (each with a Name), TEnd. A tape
// is cheap to make, to keep and to walk; decoders cut tapes from one slab.
//
// In Call.Aux a Name stands before its value with a space (left {...}).
type Tape []Token

// TokenKind is the kind of a token.
type TokenKind uint8

const (
	TNone   TokenKind = iota
	TStruct           // { ... TEnd
	TArray            // [ ... TEnd
	TSet              // [a b] ... TEnd: elements parted by spaces; FNot: ~[a b]
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
	TIface  // Num: an interface index; Str: its name, empty where unknown
	TStr    // Str: bytes of the process, quoted and escaped; Num: full length, of which Str may be the start
	THexStr // Str: as TStr, every byte as \xNN
	TText   // Str: words of our own, never of the process
	TIPv4   // Str: 4 bytes
	TIPv6   // Str: 16 bytes
	TMAC    // Str: 1 byte or more
	TArrow  // => between a value before the call and after it
	TMore   // ... : there is more that is not shown
	TNote   // /* Str */
	TTime   // int64(Num): seconds since the Unix epoch, in a note as UTC
	TAsIs   // Str: as another tool printed it
	TDur    // Num: ns
)

// Bits of Token.Flags.
const (
	// FOr joins this token to the one before with | instead of a comma
	// (SOCK_STREAM|SOCK_CLOEXEC: one TSym, one TFlags).
	FOr = 1 << iota
	// FDec makes an unknown TSym decimal: 8 /* FOO_??? */.
	FDec
	// FVerbose marks a token (of an opening kind: with all it holds) that is
	// written in full output only, FBrief one that is written otherwise.
	FVerbose
	FBrief
	// FUnnamed marks a field whose Name is not written.
	FUnnamed
	// FWhole marks a TStr that is not cut at the user's limit.
	FWhole
	// FLimit marks a TArray whose elements are cut at the user's limit.
	FLimit
	// FCut marks a TStr that goes on, although Str is all there is to show.
	FCut
	// FAbstract marks a TStr that is the name of an abstract socket: @"name".
	FAbstract
	// FNot marks a TSet that is the complement of what it holds.
	FNot
	// FBare marks a TSym whose unknown number has no note beside it.
	FBare
	// FPlain marks a TIface that is written as its name alone.
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

// Table names numbers: constants (AF_INET) or bits (MSG_PEEK).
type Table struct {
	Unknown string // what stands for a number without a name: "AF_???"
	Syms    []Sym  // constants in any order; bits in the order in which they are shown
	dense   []string
}

// Sym is one named number.
type Sym struct {
	Num  uint64
	Name string
}

// NewTable makes a table. The caller no longer owns syms. Where two names have
// one number the first is shown.
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

// Name returns the name of v, empty if it has none.
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
