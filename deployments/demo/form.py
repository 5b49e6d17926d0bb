"""Fill in the form with the demo's request: ``python -m deployments.demo.form BUCKET``."""

import sys

from prefect.client.orchestration import get_client
from prefect.client.schemas.actions import DeploymentUpdate

from deployments.demo.inputs import MODEL_FILE
from flows.inbox import POSE_ESTIMATION_DEPLOYMENT


def fill_in_form(bucket: str) -> None:
    """Make the demo's request what the form of `pose-estimation` begins with.

    Args:
        bucket: Where its model and movie are.
    """
    request = {
        "model": f"s3://{bucket}/models/{MODEL_FILE.name}",
        "movies": [f"s3://{bucket}/movies/"],
        "output": f"s3://{bucket}/results/first/",
    }
    with get_client(sync_client=True) as client:
        found = client.read_deployment_by_name(POSE_ESTIMATION_DEPLOYMENT)
        client.update_deployment(found.id, DeploymentUpdate(parameters=request))


if __name__ == "__main__":
    fill_in_form(sys.argv[1])
