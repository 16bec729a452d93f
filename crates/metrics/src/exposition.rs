//! What a scrape gets: every family in the Prometheus text format.
//!
//! Owns how numbers become lines. It must not know what is counted. It exists because the series of
//! services are only numbers until somebody asks: one family at a time is given its labels, is
//! written and is forgotten, so that hundreds of services cost next to nothing between scrapes and
//! little during one.

use std::iter::Peekable;
use std::sync::Arc;

use prometheus::TextEncoder;
use prometheus::proto::{Counter, Gauge, Histogram, LabelPair, Metric, MetricFamily};

use crate::cells::{Count, Spread};
use crate::families::{FAMILIES, Family};
use crate::service::ServiceMetrics;

/// No family of services has more labels.
const MOST_LABELS: usize = 4;

/// So many series are given their labels at once: with those of hundreds of services in hand a scrape
/// would need more memory than the text it writes.
const AT_ONCE: usize = 256;

/// The families in `others`, which come in the order of their names, and those of `services`.
pub(crate) fn text(others: Vec<MetricFamily>, services: &[Arc<ServiceMetrics>]) -> String {
    let mut text = String::new();
    let mut others = others.into_iter().peekable();
    for family in FAMILIES {
        write_before(&mut others, Some(family.name), &mut text);
        if !services.is_empty() {
            write_family(family, services, &mut text);
        }
    }
    write_before(&mut others, None, &mut text);
    text
}

/// The series of one family, as they are collected.
pub(crate) struct Rows<'a> {
    labels: usize,
    rows: Vec<Row<'a>>,
}

struct Row<'a> {
    /// As many as the family has labels; what is left over is empty.
    labels: [&'a str; MOST_LABELS],
    value: Value,
}

#[derive(Clone)]
enum Value {
    Counter(f64),
    Gauge(f64),
    Histogram(Histogram),
}

impl<'a> Rows<'a> {
    pub(crate) fn count(&mut self, labels: &[&'a str], count: &Count) {
        #[expect(clippy::cast_precision_loss, reason = "exact up to 2^53, and shown as a float")]
        self.seconds(labels, count.get() as f64);
    }

    pub(crate) fn seconds(&mut self, labels: &[&'a str], value: f64) {
        self.row(labels, Value::Counter(value));
    }

    pub(crate) fn level(&mut self, labels: &[&'a str], value: i64) {
        #[expect(clippy::cast_precision_loss, reason = "exact up to 2^53, and shown as a float")]
        self.row(labels, Value::Gauge(value as f64));
    }

    pub(crate) fn spread<const N: usize>(&mut self, labels: &[&'a str], spread: &Spread<N>) {
        self.row(labels, Value::Histogram(spread.shown()));
    }

    fn row(&mut self, values: &[&'a str], value: Value) {
        debug_assert_eq!(values.len(), self.labels, "a value for each label: {values:?}");
        let mut labels = [""; MOST_LABELS];
        for (label, value) in labels.iter_mut().zip(values) {
            *label = value;
        }
        self.rows.push(Row { labels, value });
    }
}

impl Row<'_> {
    fn shown(&self, names: &[&str]) -> Metric {
        let pairs = names.iter().zip(self.labels).map(|(name, value)| {
            let mut pair = LabelPair::default();
            pair.set_name((*name).to_owned());
            pair.set_value(value.to_owned());
            pair
        });
        let mut metric = Metric::from_label(pairs.collect());
        match self.value.clone() {
            Value::Counter(value) => {
                let mut counter = Counter::default();
                counter.set_value(value);
                metric.set_counter(counter);
            }
            Value::Gauge(value) => {
                let mut gauge = Gauge::default();
                gauge.set_value(value);
                metric.set_gauge(gauge);
            }
            Value::Histogram(histogram) => metric.set_histogram(histogram),
        }
        metric
    }
}

fn write_family(family: &Family, services: &[Arc<ServiceMetrics>], text: &mut String) {
    let mut rows = Rows { labels: family.labels.len(), rows: Vec::new() };
    for service in services {
        (family.rows)(service, &mut rows);
    }
    rows.rows.sort_by_key(|row| row.labels);
    let mut part = String::new();
    for (at, rows) in rows.rows.chunks(AT_ONCE).enumerate() {
        let mut shown = MetricFamily::default();
        shown.set_name(family.name.to_owned());
        shown.set_help(family.help.to_owned());
        shown.set_field_type(family.kind);
        shown.set_metric(rows.iter().map(|row| row.shown(family.labels)).collect());
        part.clear();
        write(shown, &mut part);
        let skipped = if at == 0 { 0 } else { length_of_heading(&part) };
        text.push_str(&part[skipped..]);
    }
}

/// The two lines, help and type, that a family begins with.
fn length_of_heading(text: &str) -> usize {
    text.match_indices('\n').nth(1).map_or(0, |(end, _)| end + 1)
}

/// Writes those whose names come before `name`, or all that are left.
fn write_before(
    others: &mut Peekable<impl Iterator<Item = MetricFamily>>,
    name: Option<&str>,
    text: &mut String,
) {
    while let Some(family) = others.next_if(|family| name.is_none_or(|name| family.name() < name)) {
        write(family, text);
    }
}

fn write(family: MetricFamily, text: &mut String) {
    TextEncoder::new()
        .encode_utf8(&[family], text)
        .expect("the encoder refuses only families without series, of which there are none");
}
