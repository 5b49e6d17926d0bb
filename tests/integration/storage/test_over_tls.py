"""What matters most of the S3 form, over TLS: Ceph, with its certificate named by AWS_CA_BUNDLE.

The tests are those of `test_s3` and `test_links`; only the way to the store is another.
"""

from collections.abc import Iterator

import pytest

from tasks.storage.s3_store import S3Store
from tasks.storage.store_errors import StoreUnavailable
from tests.integration.storage.conftest import Bucket, RunningStore
from tests.integration.storage.test_links import (  # noqa: F401
    test_a_link_is_for_one_object,
    test_a_run_has_links_for_its_report_and_movies,
)
from tests.integration.storage.test_s3 import (  # noqa: F401
    large,
    movie,
    test_a_large_file_goes_and_comes_in_parts,
    test_a_part_is_read,
    test_a_request_finds_its_objects,
    test_an_empty_object,
    test_any_key_comes_back_as_it_went,
    test_content_that_disagrees_with_its_digest_is_refused,
    test_listing_is_complete_and_leaves_folder_markers_out,
    test_trying_to_write_leaves_nothing,
    test_what_is_known_of_an_object,
)
from tests.integration.storage.test_s3_faults import (  # noqa: F401
    test_any_number_of_unfinished_uploads_is_aborted,
)
from tests.support.stores import ceph_store, create_s3_client


@pytest.fixture(scope="module")
def running_store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningStore]:
    folder = tmp_path_factory.mktemp("ceph-tls")
    with ceph_store(folder) as settings:
        secure = settings | {"AWS_ENDPOINT_URL": settings["OBJECT_STORE_TLS_URL"]}
        s3 = create_s3_client(settings)
        yield RunningStore("ceph", secure, folder, s3)
        s3.close()


@pytest.fixture(autouse=True)
def _browsers_trust_it(running_store: RunningStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", running_store.settings["AWS_CA_BUNDLE"])


def test_it_is_tls_and_the_certificate_is_looked_at(
    bucket: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    location = bucket.put("a")
    assert bucket.store.settings["AWS_ENDPOINT_URL"].startswith("https://")
    assert S3Store().read(location, 100) == b"content"
    monkeypatch.setenv("AWS_CA_BUNDLE", "/etc/ssl/certs/ca-certificates.crt")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    with pytest.raises(StoreUnavailable, match="check AWS_ENDPOINT_URL and AWS_CA_BUNDLE"):
        S3Store().read(location, 100)
