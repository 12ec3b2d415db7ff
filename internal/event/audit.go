package event

// Unset is an audit user or session id that was never set, as of a daemon.
const Unset = 1<<32 - 1

// Audit is one event recorded by Linux audit (audit.rules(7)). The task of its event
// names the thread only if the call was recorded too.
type Audit struct {
	Serial uint64
	Stamp  int64    // audit's own time, ns since the Unix epoch, in whole ms
	Types  []string // of its records, as audit.log names them
	// Call is the system call, or nil. Arguments are those of the recorded call, if there is one;
	// otherwise arguments that audit does not record are a TText "?".
	Call *Call
	// Joined says that the call itself was recorded.
	Joined bool
	// Missing says that the call was recorded, and that audit has no record of it, although it
	// should.
	Missing bool

	// Attributes of the process; empty, 0 or Unset if the event has none.
	AUID, Session uint32
	AUIDName      string // from an enriched record or from flow
	UID, PPID     uint32
	UIDName       string // from flow
	TTY, Exe, Key string
	Subject       string // the security label
	Denial        bool   // a refusal or an anomaly: it has a line of its own
	What          string // fields of the main record, if there is no call, or in addition to it
	Addr          Tape   // the address, if no argument of Call has it
	AddrRole      string // "peer", "local" or "address"
}
