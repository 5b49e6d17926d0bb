/** Reads parts of files and computes their MD5, aside from the page. */

import "../vendor/spark-md5/spark-md5.min.js";

self.onmessage = async ({ data: { id, blob, bytes } }) => {
    try {
        const data = bytes ?? await blob.arrayBuffer();
        const digest = self.SparkMD5.ArrayBuffer.hash(data);
        self.postMessage({ id, digest, data }, [data]);
    } catch {
        self.postMessage({ id });
    }
};
