//! What is found, for how long, and how that is counted.

use super::*;

fn described(name: &str, command: &str) -> Described {
    let spec = ServiceSpec::new(ServiceId::new(name).unwrap(), command);
    Described { spec: Arc::new(spec), source: ConfigSource::File }
}

fn counted(metrics: &Metrics, what: &str) -> u64 {
    let text = metrics.render();
    let name = format!("standpipe_config_cache_{what}_total ");
    let value = text.lines().find_map(|line| line.strip_prefix(&name));
    value.unwrap_or_else(|| panic!("no {name} in\n{text}")).parse().unwrap()
}

#[test]
fn the_newest_description_is_found_until_it_is_forgotten() {
    let metrics = Metrics::new("test");
    let cache = ConfigCache::new(CacheSettings::default(), Arc::clone(&metrics));
    let id = ServiceId::new("one").unwrap();
    assert!(cache.get(&id).is_none());
    cache.put(&described("one", "old"));
    cache.put(&described("one", "new"));
    assert_eq!(cache.get(&id).unwrap().spec.command, "new");
    cache.forget(&id);
    assert!(cache.get(&id).is_none());
    cache.cache.run_pending_tasks();
    let counts = ["hits", "misses", "evictions"].map(|what| counted(&metrics, what));
    assert_eq!(counts, [1, 2, 0], "what is replaced or forgotten is not evicted");
}

#[test]
fn time_and_number_are_bounded() {
    let metrics = Metrics::new("test");
    let settings = CacheSettings { entries: 2, ..CacheSettings::default() };
    let cache = ConfigCache::new(settings, Arc::clone(&metrics));
    for name in ["a", "b", "c", "d", "e"] {
        cache.put(&described(name, "x"));
    }
    cache.cache.run_pending_tasks();
    assert_eq!(cache.cache.entry_count(), 2);
    assert_eq!(counted(&metrics, "evictions"), 3);

    let settings = CacheSettings { ttl: Duration::ZERO, ..CacheSettings::default() };
    let cache = ConfigCache::new(settings, Metrics::new("test"));
    cache.put(&described("a", "x"));
    assert!(cache.get(&ServiceId::new("a").unwrap()).is_none());
    // Longer than the clock can tell is for ever, not a panic.
    let settings = CacheSettings { ttl: Duration::MAX, ..CacheSettings::default() };
    let cache = ConfigCache::new(settings, Metrics::new("test"));
    cache.put(&described("a", "x"));
    assert!(cache.get(&ServiceId::new("a").unwrap()).is_some());
}
