package pbx

import "fmt"

// Cause is an ITU-T Q.850 cause value, 1 to 127; 0 is "not known".
type Cause int

// Causes that we send or decide by (ITU-T Q.850, table 1).
const (
	CauseUnallocated       Cause = 1
	CauseNoRoute           Cause = 3
	CauseNormal            Cause = 16
	CauseBusy              Cause = 17
	CauseNoResponse        Cause = 18
	CauseNoAnswer          Cause = 19
	CauseSubscriberAbsent  Cause = 20
	CauseRejected          Cause = 21
	CauseNumberChanged     Cause = 22
	CauseDestinationBroken Cause = 27
	CauseInvalidFormat     Cause = 28
	CauseNormalUnspecified Cause = 31
	CauseCongestion        Cause = 34
	CauseNetworkDown       Cause = 38
	CauseTemporary         Cause = 41
	CauseBearer            Cause = 58
	CauseIncompatible      Cause = 88
	CauseTimer             Cause = 102
	CauseInterworking      Cause = 127
)

// Valid reports whether c is a Q.850 value that may be sent.
func (c Cause) Valid() bool { return c >= 1 && c <= 127 }

// String is the number and, where we know it, the short name.
func (c Cause) String() string {
	names := map[Cause]string{
		CauseUnallocated: "unallocated number", CauseNoRoute: "no route", CauseNormal: "normal clearing",
		CauseBusy: "user busy", CauseNoResponse: "no user responding", CauseNoAnswer: "no answer",
		CauseSubscriberAbsent: "subscriber absent", CauseRejected: "call rejected", CauseNumberChanged: "number changed",
		CauseDestinationBroken: "destination out of order", CauseInvalidFormat: "invalid number format",
		CauseNormalUnspecified: "normal, unspecified", CauseCongestion: "no circuit available",
		CauseNetworkDown: "network out of order", CauseTemporary: "temporary failure", CauseBearer: "bearer not available",
		CauseIncompatible: "incompatible destination", CauseTimer: "recovery on timer expiry", CauseInterworking: "interworking",
	}
	if n, ok := names[c]; ok {
		return fmt.Sprintf("%d %s", int(c), n)
	}
	return fmt.Sprintf("%d", int(c))
}
