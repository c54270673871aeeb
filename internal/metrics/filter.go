package metrics

import "time"

// CountVerdict counts a verdict over a mail of a direction, in or out.
func (m *Metrics) CountVerdict(direction, verdict string) {
	m.Verdicts.WithLabelValues(direction, verdict).Inc()
}

// CountLimit counts that a limit was reached.
func (m *Metrics) CountLimit(name string) { m.Limits.WithLabelValues(name).Inc() }

// CountWebhook counts what became of an attempt of a webhook.
func (m *Metrics) CountWebhook(result string) { m.Webhooks.WithLabelValues(result).Inc() }

// CountFilterFailure counts a question to the filter without a verdict.
func (m *Metrics) CountFilterFailure(reason string) { m.FilterFailures.WithLabelValues(reason).Inc() }

// FilterTook records how long one question took.
func (m *Metrics) FilterTook(d time.Duration) { m.FilterTime.Observe(d.Seconds()) }
