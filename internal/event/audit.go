package event

// Unset is an audit user or session id that nobody has set: of a daemon.
const Unset = 1<<32 - 1

// Audit is what Linux audit recorded of one event (audit.rules(7)). The task of
// its event is who did it: of the thread only where the call was seen too.
type Audit struct {
	Serial uint64
	Stamp  int64    // audit's own time, ns since the Unix epoch, in whole ms
	Types  []string // of its records, as audit.log names them
	// Call is the system call, nil where the event has none. What audit does
	// not say of it is a TText "?": its result and address are audit's, its
	// arguments those of the call that was seen, if one was.
	Call *Call
	// Joined says that the call itself was seen.
	Joined bool
	// Missing is no event: the call was seen, and audit, which was on for it, has
	// no record of it.
	Missing bool

	// Of who did it; empty, 0 or Unset where the event does not say.
	AUID, Session uint32
	AUIDName      string // where the record is enriched, or flow knows it
	UID, PPID     uint32
	UIDName       string // where flow knows it
	TTY, Exe, Key string
	Subject       string // the security label
	Denial        bool   // something was refused, or looks like an attack: a line of its own
	What          string // of an event without a call, or beside it: its main record's fields
	Addr          Tape   // the address, where no argument of Call shows it
	AddrRole      string // "peer", "local" or "address"
}
