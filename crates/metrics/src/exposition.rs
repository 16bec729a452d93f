//! What a scrape gets: every family in the Prometheus text format.
//!
//! Owns how numbers become lines. It must not know what is counted. It exists because the series of
//! services are only numbers until somebody asks: one family at a time is given its labels, is
//! written and is forgotten, so that hundreds of services cost next to nothing between scrapes and
//! little during one.

use std::cmp::Ordering;
use std::iter::Peekable;
use std::sync::Arc;

use prometheus::TextEncoder;
use prometheus::proto::{Counter, Gauge, LabelPair, Metric, MetricFamily};

use crate::cells::{Count, Spread};
use crate::families::{FAMILIES, Family};
use crate::service::ServiceMetrics;

/// The families in `others`, which come in the order of their names, and those of `services`.
pub(crate) fn text(others: Vec<MetricFamily>, services: &[Arc<ServiceMetrics>]) -> String {
    let mut text = String::new();
    let mut others = others.into_iter().peekable();
    for family in FAMILIES {
        write_before(&mut others, Some(family.name), &mut text);
        if !services.is_empty() {
            write(shown(family, services), &mut text);
        }
    }
    write_before(&mut others, None, &mut text);
    text
}

/// The series of one family, as they are collected.
pub(crate) struct Rows<'a> {
    family: &'a Family,
    metrics: Vec<Metric>,
}

impl Rows<'_> {
    pub(crate) fn count(&mut self, labels: &[&str], count: &Count) {
        #[expect(clippy::cast_precision_loss, reason = "exact up to 2^53, and shown as a float")]
        self.seconds(labels, count.get() as f64);
    }

    pub(crate) fn seconds(&mut self, labels: &[&str], value: f64) {
        let mut counter = Counter::default();
        counter.set_value(value);
        self.row(labels).set_counter(counter);
    }

    pub(crate) fn level(&mut self, labels: &[&str], value: i64) {
        let mut gauge = Gauge::default();
        #[expect(clippy::cast_precision_loss, reason = "exact up to 2^53, and shown as a float")]
        gauge.set_value(value as f64);
        self.row(labels).set_gauge(gauge);
    }

    pub(crate) fn spread<const N: usize>(&mut self, labels: &[&str], spread: &Spread<N>) {
        self.row(labels).set_histogram(spread.shown());
    }

    fn row(&mut self, values: &[&str]) -> &mut Metric {
        debug_assert_eq!(values.len(), self.family.labels.len(), "{}", self.family.name);
        let pairs = self.family.labels.iter().zip(values).map(|(name, value)| {
            let mut pair = LabelPair::default();
            pair.set_name((*name).to_owned());
            pair.set_value((*value).to_owned());
            pair
        });
        self.metrics.push(Metric::from_label(pairs.collect()));
        self.metrics.last_mut().expect("it was just added")
    }
}

fn shown(family: &Family, services: &[Arc<ServiceMetrics>]) -> MetricFamily {
    let mut rows = Rows { family, metrics: Vec::new() };
    for service in services {
        (family.rows)(service, &mut rows);
    }
    rows.metrics.sort_by(by_labels);
    let mut shown = MetricFamily::default();
    shown.set_name(family.name.to_owned());
    shown.set_help(family.help.to_owned());
    shown.set_field_type(family.kind);
    shown.set_metric(rows.metrics);
    shown
}

fn by_labels(one: &Metric, other: &Metric) -> Ordering {
    let (one, other) = (one.get_label().iter(), other.get_label().iter());
    one.map(LabelPair::value).cmp(other.map(LabelPair::value))
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
