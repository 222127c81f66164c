//! The data of the checked queries are what the migrations give.

use std::path::Path;

use sqlx::{AssertSqlSafe, Connection as _, Executor as _, PgConnection, SqlSafeStr as _};
use zhoubao_test_support::{Postgres, files_below, queries_are_as_described};

#[tokio::test]
async fn the_compiler_knows_the_queries_as_they_are() -> anyhow::Result<()> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR"));
    let url = Postgres::shared().await?.create_database().await?;
    let mut database = PgConnection::connect(&url).await?;
    for path in files_below(&dir.join("migrations"), ".sql")? {
        sqlx::raw_sql(AssertSqlSafe(std::fs::read_to_string(path)?)).execute(&mut database).await?;
    }
    let count = queries_are_as_described(dir, async |query| {
        let described = database.describe(AssertSqlSafe(query).into_sql_str()).await?;
        Ok(serde_json::to_value(described)?)
    })
    .await?;
    assert!(count > 20, "{count} queries");
    Ok(())
}
