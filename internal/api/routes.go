package api

import (
	"net/http"

	"github.com/gin-gonic/gin"
)

// touches says what a route does with what belongs to persons. The zero value
// is no declaration: such a route is not registered.
type touches int

const (
	undeclared touches = iota
	nothing            // neither personal data nor a change
	shows              // personal data leaves by it: on the audit log before it does
	changes            // something is changed: on the audit log before it is
)

// route is one route of /api/v1 with everything that a handler could forget.
type route struct {
	method, path string
	scope        string
	action       string // what the audit log calls it
	touches      touches
	handler      func(*Server) gin.HandlerFunc
}

func h(f func(*Server, *gin.Context)) func(*Server) gin.HandlerFunc {
	return func(s *Server) gin.HandlerFunc { return func(c *gin.Context) { f(s, c) } }
}

// table is every route that needs a key. There is no other way to add one.
func table() []route {
	get, post, put, del := http.MethodGet, http.MethodPost, http.MethodPut, http.MethodDelete
	return []route{
		{post, "/call/task", TasksWrite, "call_task.create", changes, h((*Server).createTask)},
		{get, "/call/task", TasksRead, "call_task.list", shows, h((*Server).listTasks)},
		{get, "/call/task/:id", TasksRead, "call_task.read", shows, h((*Server).getTask)},
		{del, "/call/task/:id", TasksWrite, "call_task.cancel", changes, h((*Server).deleteTask)},
		{get, "/call/task/:id/attempts", TasksRead, "attempt.list", shows, h((*Server).getAttempts)},
		{post, "/call/manual", CallsManual, "call.manual", changes, h((*Server).manualCall)},
		{get, "/attempts/:id", TasksRead, "attempt.read", shows, h((*Server).getAttempt)},
		{get, "/attempts/:id/transcript", TasksRead, "transcript.read", shows, h((*Server).getTranscript)},
		{get, "/recordings/:id", RecordingsRead, "recording.read", shows, h((*Server).getRecording)},
		{get, "/tasks", TasksRead, "task.list", nothing, h((*Server).listCampaigns)},
		{get, "/tasks/:id/explain", TasksRead, "task.explain", nothing, h((*Server).explainTask)},
		{post, "/contacts", ContactsWrite, "contact.save", changes, h((*Server).saveContact)},
		{get, "/contacts", ContactsRead, "contact.list", shows, h((*Server).listContacts)},
		{get, "/contacts/:customer_id", ContactsRead, "contact.read", shows, h((*Server).getContact)},
		{get, "/contacts/:customer_id/explain", TasksRead, "contact.explain", shows, h((*Server).explainContact)},
		{get, "/contacts/:customer_id/number", NumbersReveal, "number.reveal", shows, h((*Server).revealNumber)},
		{post, "/opt-outs", ContactsWrite, "dnc.opt_out", changes, h((*Server).optOut)},
		{get, "/dnc", DNCRead, "dnc.list", shows, h((*Server).listDNC)},
		{post, "/dnc", DNCWrite, "dnc.add", changes, h((*Server).addDNC)},
		{post, "/dnc/remove", DNCWrite, "dnc.remove", changes, h((*Server).removeDNC)},
		{post, "/dnc/import", DNCWrite, "dnc.import", changes, h((*Server).importDNC)},
		{get, "/dnc/export", DNCRead, "dnc.export", shows, h((*Server).exportDNC)},
		{get, "/consents", ConsentsRead, "consent.list", shows, h((*Server).listConsents)},
		{post, "/consents", ConsentsWrite, "consent.record", changes, h((*Server).recordConsent)},
		{post, "/consents/:id/withdraw", ConsentsWrite, "consent.withdraw", changes, h((*Server).withdrawConsent)},
		{get, "/caller-ids", CallerIDsRead, "caller_id.list", nothing, h((*Server).listCallerIDs)},
		{post, "/caller-ids", CallerIDsWrite, "caller_id.create", changes, h((*Server).createCallerID)},
		{get, "/caller-ids/:id", CallerIDsRead, "caller_id.read", nothing, h((*Server).getCallerID)},
		{put, "/caller-ids/:id", CallerIDsWrite, "caller_id.update", changes, h((*Server).updateCallerID)},
		{del, "/caller-ids/:id", CallerIDsWrite, "caller_id.delete", changes, h((*Server).deleteCallerID)},
		{get, "/stop", StopRead, "stop.read", nothing, h((*Server).getStop)},
		{post, "/stop", StopWrite, "stop.press", changes, h((*Server).pressStop)},
		{del, "/stop", StopWrite, "stop.release", changes, h((*Server).releaseStop)},
		{get, "/exchanges", ExchangesRead, "exchange.list", nothing, h((*Server).listExchanges)},
		{post, "/exchanges/:name/drain", SystemFleet, "exchange.drain", changes, h((*Server).drain)},
		{del, "/exchanges/:name/drain", SystemFleet, "exchange.undrain", changes, h((*Server).endDrain)},
		{get, "/scripts", ScriptsRead, "script.list", nothing, h((*Server).listScripts)},
		{post, "/scripts/:script_id/drafts", ScriptsWrite, "script.draft", changes, h((*Server).draftScript)},
		{post, "/scripts/:script_id/publish", ScriptsPublish, "script.publish", changes, h((*Server).publishScript)},
		{post, "/scripts/:script_id/rollback", ScriptsPublish, "script.rollback", changes, h((*Server).rollBackScript)},
		{get, "/scripts/:script_id/versions", ScriptsRead, "script.history", nothing, h((*Server).scriptHistory)},
		{get, "/scripts/:script_id/versions/:version", ScriptsRead, "script.read", nothing, h((*Server).scriptSource)},
		{get, "/scripts/:script_id/diff", ScriptsRead, "script.diff", nothing, h((*Server).diffScript)},
		{get, "/persons/:customer_id/export", PersonsExport, "person.export", shows, h((*Server).exportPerson)},
		{del, "/persons/:customer_id", PersonsErase, "person.erase", changes, h((*Server).erasePerson)},
		{get, "/keys", KeysRead, "key.list", nothing, h((*Server).listKeys)},
		{post, "/keys", KeysWrite, "key.create", changes, h((*Server).createKey)},
		{del, "/keys/:id", KeysWrite, "key.revoke", changes, h((*Server).revokeKey)},
		{get, "/audit", AuditRead, "audit.read", shows, h((*Server).streamAudit)},
	}
}

// register adds the routes of the table: key, scope and audit before the
// handler. A route that declares nothing is left out, which a test finds.
func (s *Server) register(group *gin.RouterGroup, routes []route) {
	for _, r := range routes {
		if r.scope == "" || r.action == "" || r.touches == undeclared {
			s.deps.Log.Error("a route without scope, action or declaration was left out", "route", r.method+" "+r.path)
			continue
		}
		group.Handle(r.method, r.path, s.admit(r), s.audited(r), r.handler(s))
	}
}
