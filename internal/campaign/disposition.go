package campaign

// Disposition is what became of an attempt: a stable ASCII code. Its zh and en
// labels live in the catalogue of internal/campaign/label.go.
type Disposition string

// Dispositions.
const (
	Completed     Disposition = "completed"      // the script reached an end
	Transferred   Disposition = "transferred"    // handed over to a person
	OptedOut      Disposition = "opted_out"      // asked to be called no more
	Complaint     Disposition = "complaint"      // complained
	HungUp        Disposition = "hung_up"        // the callee ended the conversation early
	NoInput       Disposition = "no_input"       // answered and said nothing
	NotUnderstood Disposition = "not_understood" // too many turns without a match
	Voicemail     Disposition = "voicemail"
	Busy          Disposition = "busy"
	NoAnswer      Disposition = "no_answer"
	Rejected      Disposition = "rejected"
	InvalidNumber Disposition = "invalid_number" // 空号: unallocated, changed, malformed
	Unreachable   Disposition = "unreachable"    // 关机/无法接通: absent, not registered
	Congestion    Disposition = "congestion"     // the way there is full or broken
	Failed        Disposition = "failed"         // our side: exchange, media, provider
	Withdrawn     Disposition = "cancelled"      // stopped by an operator
	Uncertain     Disposition = "uncertain"      // it may have rung; the try is used
)

// Dispositions lists every code, in the order of reports.
func Dispositions() []Disposition {
	return []Disposition{
		Completed, Transferred, OptedOut, Complaint, HungUp, NoInput, NotUnderstood, Voicemail, Busy, NoAnswer,
		Rejected, InvalidNumber, Unreachable, Congestion, Failed, Withdrawn, Uncertain,
	}
}

// FromSIP maps the final status of an INVITE (RFC 3261 section 21) to a
// disposition. The exchanges' own Q.850 for one SIP answer differs by brand,
// so the SIP status is looked at first. ok is false for a status that says
// nothing by itself (0, 2xx, 487).
func FromSIP(status int) (d Disposition, ok bool) {
	switch status {
	case 486, 600:
		return Busy, true
	case 408, 480:
		return NoAnswer, true
	case 404, 410, 484, 604, 485:
		return InvalidNumber, true
	case 403, 603, 401, 407, 433, 607, 608:
		return Rejected, true
	case 488, 606, 415, 500, 501, 502, 503, 504, 505, 513, 580, 400, 402, 405, 406, 413, 414, 416, 420, 421, 423, 481, 482, 483, 489, 491, 493:
		return Congestion, true
	}
	switch {
	case status >= 300 && status < 400:
		return Unreachable, true
	case status >= 400 && status != 487 && status < 700:
		return Congestion, true
	}
	return "", false
}

// FromQ850 maps a Q.850 cause to the disposition of a call that was never
// answered.
func FromQ850(cause int) Disposition {
	switch cause {
	case 17:
		return Busy
	case 18, 19:
		return NoAnswer
	case 20, 27:
		return Unreachable
	case 1, 2, 3, 22, 28:
		return InvalidNumber
	case 21:
		return Rejected
	case 16, 31:
		return NoAnswer // cleared before the answer without a fault
	}
	return Congestion
}

// Unanswered is the one table from raw codes to the disposition of an attempt
// that nobody took. A Reason header (RFC 3326) from the network is more exact
// than the SIP status where the two agree that the callee was not reached:
// 480 with Q.850 20 is an absent subscriber, not an unanswered phone.
func Unanswered(sip, q850, reasonQ850 int, byTimer bool) Disposition {
	if byTimer {
		return NoAnswer
	}
	if reasonQ850 != 0 && reasonQ850 != 16 && reasonQ850 != 31 {
		if d := FromQ850(reasonQ850); d != Congestion || sip == 0 || sip >= 500 {
			return d
		}
	}
	if d, ok := FromSIP(sip); ok {
		return d
	}
	return FromQ850(q850)
}
