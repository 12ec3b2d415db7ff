package event

// Visitor has a method for every kind of Body. So a new kind does not compile until every sink
// handles it.
type Visitor interface {
	Call(*Entry, *Call)
	Capture(*Entry, *Capture)
	State(*Entry, *State)
	Handover(*Entry, *Handover)
	Audit(*Entry, *Audit)
	Kernel(*Entry, *Kernel)
	Process(*Entry, *Process)
	SockFound(*Entry, *SockFound)
	Ready(*Entry, *Ready)
	Name(*Entry, *Name)
	Symbol(*Entry, *Symbol)
	Lost(*Entry, *Lost)
	Note(*Entry, *Note)
	Clock(*Entry, *Clock)
	End(*Entry, *End)
	Unknown(*Entry, *Unknown)
	Message(*Entry, *Message)
	Verdict(*Entry, *Verdict)
	Fact(*Entry, *Fact)
}

// Visit calls the method of v that is for the entry's body.
func (e *Entry) Visit(v Visitor) {
	if e.Body != nil {
		e.Body.visit(e, v)
	}
}

func (b *Call) visit(e *Entry, v Visitor)      { v.Call(e, b) }
func (b *Capture) visit(e *Entry, v Visitor)   { v.Capture(e, b) }
func (b *State) visit(e *Entry, v Visitor)     { v.State(e, b) }
func (b *Handover) visit(e *Entry, v Visitor)  { v.Handover(e, b) }
func (b *Audit) visit(e *Entry, v Visitor)     { v.Audit(e, b) }
func (b *Kernel) visit(e *Entry, v Visitor)    { v.Kernel(e, b) }
func (b *Process) visit(e *Entry, v Visitor)   { v.Process(e, b) }
func (b *SockFound) visit(e *Entry, v Visitor) { v.SockFound(e, b) }
func (b *Ready) visit(e *Entry, v Visitor)     { v.Ready(e, b) }
func (b *Name) visit(e *Entry, v Visitor)      { v.Name(e, b) }
func (b *Symbol) visit(e *Entry, v Visitor)    { v.Symbol(e, b) }
func (b *Lost) visit(e *Entry, v Visitor)      { v.Lost(e, b) }
func (b *Note) visit(e *Entry, v Visitor)      { v.Note(e, b) }
func (b *Clock) visit(e *Entry, v Visitor)     { v.Clock(e, b) }
func (b *End) visit(e *Entry, v Visitor)       { v.End(e, b) }
func (b *Unknown) visit(e *Entry, v Visitor)   { v.Unknown(e, b) }
func (b *Fact) visit(e *Entry, v Visitor)      { v.Fact(e, b) }
