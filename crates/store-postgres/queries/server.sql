-- What the server promises.
select current_setting('server_version_num')::int as "version!"
     , current_setting('fsync')::boolean as "fsync!"
     , current_setting('full_page_writes')::boolean as "full_page_writes!"
     , current_setting('data_checksums')::boolean as "data_checksums!"
