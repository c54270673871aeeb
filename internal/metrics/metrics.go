// Package metrics counts what the packages do, for Prometheus.
//
// Counters are named mail_<noun>_<unit>. Gauges are never counted up and down:
// [Metrics.States] reads them from the store when they are asked for.
package metrics

import (
	"net/http"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// Metrics holds every counter of one daemon. Labels are closed vocabularies:
// no address, id or text of a client or a peer ever becomes a label.
type Metrics struct {
	Sessions     *prometheus.CounterVec // by listener: submission, submissions
	Replies      *prometheus.CounterVec // by verb, code
	AuthFailures *prometheus.CounterVec // by door
	Tokens       *prometheus.CounterVec // by result: accepted, unavailable, or the check that failed
	Submissions  *prometheus.CounterVec // by door, verdict: held, released, refused
	Decisions    *prometheus.CounterVec // by verdict: approve, reject, cancel, expire, refused
	Attempts     *prometheus.CounterVec // by result: delivered, temporary, permanent, stopped
	AttemptTime  prometheus.Histogram   // seconds of one delivery attempt
	Origins      *prometheus.CounterVec // by method: spf, dkim, dmarc, arc, identity; result: a word of RFC 8601
	Limits       *prometheus.CounterVec // by limit: a name of docs/limits.md
	Webhooks     *prometheus.CounterVec // by result: delivered, failed, withdrawn, disabled

	Verdicts       *prometheus.CounterVec // of spam, by direction: in, out; and verdict: clean, flagged, quarantined
	FilterFailures *prometheus.CounterVec // by reason: connect, timeout, closed, answer, down, busy, later, learn
	FilterTime     prometheus.Histogram   // seconds of one question to the filter

	registry *prometheus.Registry
}

// New returns a Metrics with a registry of its own, so that two daemons in one
// process do not meet.
func New() *Metrics {
	m := &Metrics{registry: prometheus.NewRegistry()}
	m.Sessions = m.counter("mail_smtp_sessions_total", "SMTP sessions accepted.", "listener")
	m.Replies = m.counter("mail_smtp_replies_total", "SMTP replies sent.", "verb", "code")
	m.AuthFailures = m.counter("mail_auth_failures_total", "Refused credentials.", "door")
	m.Tokens = m.counter("mail_tokens_total", "Verified and refused tokens of issuers.", "result")
	m.Submissions = m.counter("mail_submissions_total", "Mails offered to the gate.", "door", "verdict")
	m.Decisions = m.counter("mail_decisions_total", "Decisions, ends of a hold, and refused decisions.", "verdict")
	m.Attempts = m.counter("mail_attempt_results_total", "Results of attempts, by recipient.", "result")
	m.Origins = m.counter("mail_authentication_results_total", "Results of the checks of incoming mail.", "method",
		"result")
	m.Limits = m.counter("mail_limit_reached_total", "How often a limit of docs/limits.md was reached.", "limit")
	m.Webhooks = m.counter("mail_webhook_results_total", "Attempts of webhooks, and webhooks switched off.", "result")
	m.Verdicts = m.counter("mail_spam_verdicts_total", "Mails judged, by verdict.", "direction", "verdict")
	m.FilterFailures = m.counter("mail_filter_failures_total", "Questions to the filter without a verdict.", "reason")
	m.AttemptTime = prometheus.NewHistogram(prometheus.HistogramOpts{
		Name: "mail_attempt_seconds", Help: "Duration of one delivery attempt.",
		Buckets: prometheus.ExponentialBuckets(0.005, 4, 8),
	})
	m.FilterTime = prometheus.NewHistogram(prometheus.HistogramOpts{
		Name: "mail_filter_seconds", Help: "Duration of one question to the spam filter.",
		Buckets: prometheus.ExponentialBuckets(0.001, 4, 8),
	})
	m.registry.MustRegister(m.AttemptTime, m.FilterTime,
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

func (m *Metrics) counter(name, help string, labels ...string) *prometheus.CounterVec {
	c := prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, labels)
	m.registry.MustRegister(c)
	return c
}

// States registers the gauge mail_state_mails, computed by count at each scrape.
func (m *Metrics) States(count func() map[string]int) {
	m.registry.MustRegister(&states{count, prometheus.NewDesc(
		"mail_state_mails", "Mails by state, read from the store.", []string{"state"}, nil)})
}

type states struct {
	count func() map[string]int
	desc  *prometheus.Desc
}

func (s *states) Describe(ch chan<- *prometheus.Desc) { ch <- s.desc }

func (s *states) Collect(ch chan<- prometheus.Metric) {
	for state, n := range s.count() {
		ch <- prometheus.MustNewConstMetric(s.desc, prometheus.GaugeValue, float64(n), state)
	}
}

// Search registers the gauges of the search index, computed by backlog at each scrape:
// how much mail it has not looked at yet, and for how many seconds the oldest waits.
func (m *Metrics) Search(backlog func() (mails int, seconds float64)) {
	m.registry.MustRegister(&lag{backlog,
		prometheus.NewDesc("mail_search_waiting_mails", "Mails that the search index has not looked at.", nil, nil),
		prometheus.NewDesc("mail_search_lag_seconds", "How long the oldest of them waits.", nil, nil)})
}

type lag struct {
	backlog       func() (mails int, seconds float64)
	mails, second *prometheus.Desc
}

func (l *lag) Describe(ch chan<- *prometheus.Desc) { ch <- l.mails; ch <- l.second }

func (l *lag) Collect(ch chan<- prometheus.Metric) {
	mails, seconds := l.backlog()
	ch <- prometheus.MustNewConstMetric(l.mails, prometheus.GaugeValue, float64(mails))
	ch <- prometheus.MustNewConstMetric(l.second, prometheus.GaugeValue, seconds)
}

// Handler serves the metrics in the Prometheus text format.
func (m *Metrics) Handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{})
}
