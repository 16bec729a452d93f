//! When a change is noticed.

use std::fs;
use std::path::Path;

use tokio::time::timeout;

use super::*;

/// Longer than a loaded machine needs for a few looks.
const GENEROUS: Duration = Duration::from_mins(1);

async fn is_noticed(files: &[ReadFile]) {
    timeout(GENEROUS, changed(files)).await.expect("it is noticed");
}

fn now(path: &Path) -> Vec<ReadFile> {
    vec![ReadFile::now(path)]
}

#[tokio::test]
async fn a_change_between_reading_and_watching_is_noticed() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("f");
    let missing = now(&file);
    fs::write(&file, "1").unwrap();
    is_noticed(&missing).await;
    let written = now(&file);
    fs::remove_file(&file).unwrap();
    is_noticed(&written).await;
}

#[tokio::test]
async fn nothing_is_noticed_where_nothing_changes_nor_while_it_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("f");
    fs::write(&file, "1").unwrap();
    let files = now(&file);
    let looks = 3 * BETWEEN_LOOKS;
    timeout(looks, changed(&files)).await.expect_err("nothing has changed");

    // One that is different at every look is not complete.
    let mut watching = std::pin::pin!(changed(&files));
    let mut writes = interval(BETWEEN_LOOKS / 8);
    let mut text = String::new();
    let growing = async {
        loop {
            writes.tick().await;
            text.push('x');
            fs::write(&file, &text).unwrap();
        }
    };
    let early = timeout(looks, async {
        tokio::select! {
            () = &mut watching => {}
            () = growing => {}
        }
    });
    early.await.expect_err("the file was still being written");
    timeout(GENEROUS, watching).await.expect("it is complete");
}
