//! History goes when its time is over, in small transactions, and never that of what runs.

use transhume::base::limits::CLEANING_ROWS_MAX;
use transhume::base::time::{DAY_MS, Timestamp};
use transhume::runtime::inspect::inspect;
use transhume::store::cleaning::Swept;

use super::{Orders, complete, file, node, number, sample, sql, start, until_ended};
use crate::support::postgres;

async fn on_each(test: &str) -> Vec<(String, Option<tempfile::TempDir>)> {
    let folder = tempfile::tempdir().expect("a folder");
    let mut all = vec![(file(folder.path()), Some(folder))];
    all.extend(postgres::database(test).await.map(|url| (url, None)));
    all
}

fn later(now: Timestamp, days: i64) -> Timestamp {
    now.plus_ms(days * DAY_MS)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_ended_long_ago_goes_and_what_runs_stays() {
    for (address, _folder) in on_each("what_ended_long_ago_goes_and_what_runs_stays").await {
        let node = node(&address, &Orders::default()).await;
        let sample = sample(&node).await;
        let now = node.clock().now();
        let own = start(&node, "ordering", "north").await;
        complete(&node, own, "wait").await;
        until_ended(&node, own).await;
        let swept = node.store().sweep(now, 180).await.expect("it sweeps");
        assert_eq!(swept, Swept::default(), "{address}: nothing is old");
        let swept = node.store().sweep(later(now, 3), 180).await.expect("it sweeps");
        assert_eq!(swept.instances, 1, "{address}: its definition says two days");
        let swept = node.store().sweep(later(now, 181), 180).await.expect("it sweeps");
        assert_eq!(swept.instances, 1, "{address}: the default is over");
        for id in [own, sample.ended] {
            for table in ["past_activity", "past_task", "past_variable", "comment"] {
                let text = format!("SELECT COUNT(*) FROM {table} WHERE instance = {}", id.0);
                assert_eq!(number(&address, &text).await, 0, "{address}: {table}");
            }
            assert!(node.store().instances(&[id]).await.expect("it reads").is_empty(), "{address}");
        }
        assert!(node.store().sweep(later(now, 9_000), 0).await.is_ok_and(|swept| swept.instances == 0), "they run");
        let report = inspect(node.store(), &mut |_| {}).await.expect("it reads");
        assert_eq!(report.violations, [], "{address}");
        assert!(report.cleaned > 0, "{address}: and it tells that rows are gone");
        node.shutdown().await;
        // The last row of the partition stayed, whoever's it was: numbers go on.
        let next = super::node(&address, &Orders::default()).await;
        assert!(start(&next, "short", "north").await > own, "{address}");
        next.shutdown().await;
    }
}

/// A clean-up that was broken off, by a kill, is taken up; an instance with very many rows goes share by share.
#[tokio::test(flavor = "multi_thread")]
async fn very_many_rows_go_share_by_share_also_after_a_restart() {
    for (address, _folder) in on_each("very_many_rows_go_share_by_share_also_after_a_restart").await {
        let node = node(&address, &Orders::default()).await;
        let sample = sample(&node).await;
        let many = 2 * CLEANING_ROWS_MAX + 7;
        let copy = format!(
            "WITH RECURSIVE n(i) AS (SELECT 1000 UNION ALL SELECT i + 1 FROM n WHERE i < {}) INSERT INTO past_variable \
             (instance, scope, name, root, definition, process, tenant, value, token, at) SELECT {id}, i, 'v', {id}, 1, 'short', \
             'north', NULL, NULL, 0 FROM n",
            999 + many,
            id = sample.ended
        );
        sql(&address, &copy).await;
        // As a sweep leaves it that was killed between two of its transactions.
        sql(&address, &format!("UPDATE process_instance SET revision = 0 WHERE id = {}", sample.ended)).await;
        sql(&address, &format!("DELETE FROM past_activity WHERE instance = {}", sample.ended)).await;
        let report = inspect(node.store(), &mut |_| {}).await.expect("it reads");
        assert_eq!(report.violations, [], "{address}: what is being cleaned is no violation");
        node.shutdown().await;
        let next = super::node(&address, &Orders::default()).await;
        let swept = next.store().sweep(later(next.clock().now(), 181), 180).await.expect("it sweeps");
        assert_eq!(swept.instances, 1, "{address}");
        assert!(swept.rows >= many as u64, "{address}: {swept:?}");
        let left = format!("SELECT COUNT(*) FROM past_variable WHERE instance = {}", sample.ended);
        assert_eq!(number(&address, &left).await, 0, "{address}");
        next.shutdown().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_of_keys_are_kept_for_seven_days_and_decisions_for_their_time() {
    for (address, _folder) in on_each("answers_of_keys_are_kept_for_seven_days_and_decisions_for_their_time").await {
        let node = node(&address, &Orders::default()).await;
        let now = node.clock().now();
        for (key, days) in [("old", 8), ("fresh", 6)] {
            let at = later(now, -days).0;
            let text = format!("INSERT INTO command_key VALUES ('', 'r', '{key}', 'd', '{{}}', {at})");
            sql(&address, &text).await;
        }
        // Decisions that were evaluated for no instance go by their own time.
        for (number, days) in [(70_001, 181), (70_002, 179)] {
            let at = later(now, -days).0;
            let text = format!(
                "INSERT INTO past_decision (instance, id, tenant, decision, key, version, name, at, body) VALUES ({number}, 1, '', \
                 1, 'k', 1, 'n', {at}, '{{}}')"
            );
            sql(&address, &text).await;
        }
        let swept = node.store().sweep(now, 180).await.expect("it sweeps");
        assert_eq!((swept.command_keys, swept.decisions, swept.rows), (1, 1, 1), "{address}");
        assert_eq!(number(&address, "SELECT MIN(instance) FROM past_decision").await, 70_002, "{address}");
        assert_eq!(number(&address, "SELECT COUNT(*) FROM command_key WHERE key = 'fresh'").await, 1);
        node.shutdown().await;
    }
}
