"""Batches of networks: equal to each by itself, and projections equal in distribution."""

import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from allometry.studies.ntk_depth.empirical import empirical_ntk
from allometry.studies.ntk_depth.limit import limit_ntk
from allometry.studies.ntk_depth.procedure import KernelDraws
from allometry.studies.ntk_depth.sampled import kernels
from allometry.studies.ntk_depth.spec import KernelDraw, Shape, batch, shape_for

SMALL = Shape(16, 32, 20, False)
PROJECTED = Shape(16, 128, 20, True)


def largest(kernel):
    return float(np.abs(np.linalg.eigvalsh(kernel)).max())


def spec(**sizes):
    return KernelDraw(**{"depth": 5, "width": 24, "d_in": 40, "n_points": 6, "seed": 3, **sizes})


def explicit(arrays, i, s):
    """The kernel of the i-th network of a batch of whole weights, by itself and unpadded."""
    p, m = s.n_points, s.width
    columns = min(p, s.d_in)
    # The inputs' rotation has left them fewer columns than D: zeros keep the fan-in.
    x = np.zeros((p, s.d_in), np.float32)
    x[:, :columns] = arrays.factor[i, :p, :columns]
    first = np.zeros((m, s.d_in), np.float32)
    first[:, :columns] = arrays.first[i, :columns, :m].T
    hidden = [arrays.forward[layer, i, :m, :m].T for layer in range(1, s.depth)]
    weights = [jnp.asarray(w) for w in (first, *hidden, arrays.last[i, :, :m])]
    return empirical_ntk(weights, jnp.asarray(x)), limit_ntk(jnp.asarray(x @ x.T), s.depth)


@pytest.fixture(scope="module")
def mixed():
    """Networks of different sizes in one batch of padded arrays."""
    specs = [
        spec(), spec(depth=2, width=10, d_in=20, n_points=8), spec(depth=1),
        spec(depth=7, width=5, d_in=4, n_points=12),
    ]  # fmt: skip
    arrays = batch(specs, SMALL)
    return specs, arrays, kernels(arrays)


def test_padded_and_mixed_they_are_what_each_is_by_itself(mixed):
    specs, arrays, found = mixed
    for i, s in enumerate(specs):
        ntk, limit = explicit(arrays, i, s)
        p = s.n_points
        np.testing.assert_allclose(found.ntk[i, :p, :p], ntk, atol=1e-5 * np.abs(ntk).max())
        np.testing.assert_allclose(found.limit[i, :p, :p], limit, atol=2e-3 * s.depth)
        assert not np.asarray(found.ntk[i, p:]).any() and not np.asarray(found.limit[i, p:]).any()


def test_the_limit_of_a_batch_has_its_depth_on_the_diagonal(mixed):
    specs, _, found = mixed
    for i, s in enumerate(specs):
        diagonal = np.diagonal(found.limit[i])[: s.n_points]
        np.testing.assert_allclose(diagonal, s.depth, rtol=1e-6)
        np.testing.assert_allclose(np.diagonal(found.limit_next[i])[: s.n_points], s.depth + 1)


def test_projections_of_given_weights_give_their_kernel():
    """Q and W written out: X = W Q, and V what is left of W, give the kernel of W exactly.

    One hidden-to-hidden layer, so that both bases can be formed outside.
    """
    s = spec(depth=2, width=40, n_points=5, d_in=12)
    whole = Shape(16, 128, 20, False)
    a = batch([s], whole)
    p, m = s.n_points, s.width
    h = np.maximum(np.sqrt(2 / s.d_in) * a.factor[0] @ a.first[0], 0)[:p].astype(float)
    root = np.linalg.cholesky(h @ h.T)
    q = np.linalg.solve(root, h)  # rows orthonormal
    w_t = a.forward[1, 0, :m, :m].astype(float)
    z = np.sqrt(2 / m) * h[:, :m] @ w_t
    delta = np.sqrt(2 / m) * a.last[0, :, :m] * (z > 0)
    back_root = np.linalg.cholesky(delta @ delta.T)
    v = np.linalg.solve(back_root, delta) @ w_t.T
    b = batch([s], PROJECTED)
    b.forward[:], b.backward[:] = 0, 0
    b.forward[1, 0, :p, :m] = (q[:, :m] @ w_t).astype(np.float32)
    b.backward[1, 0, :p, :m] = v.astype(np.float32)
    one = b._replace(first=batch([s], PROJECTED).first, factor=b.factor, last=b.last)
    for name in ("factor", "cosine"):
        getattr(one, name)[0] = getattr(a, name)[0]
    one.first[0], one.last[0] = a.first[0], a.last[0]
    found, exact = (np.asarray(kernels(x).ntk[0, :p, :p]) for x in (one, a))
    np.testing.assert_allclose(found, exact, atol=2e-4 * np.abs(exact).max())


def test_projections_have_the_distribution_of_whole_weights():
    """Radii of 250 draws each way: Kolmogorov and Smirnov see no difference, and see a layer."""

    def radii(shape, depth, seeds):
        specs = [spec(depth=depth, width=40, d_in=20, n_points=8, seed=s) for s in seeds]
        out = []
        for i in range(0, len(specs), shape.networks):
            part = specs[i : i + shape.networks]
            out += [largest(k) for k in np.asarray(kernels(batch(part, shape)).ntk)[: len(part)]]
        return np.array(out)

    whole = radii(Shape(16, 128, 20, False), 6, range(250))
    projected = radii(PROJECTED, 6, range(1000, 1250))
    assert stats.ks_2samp(whole, projected).pvalue > 0.01
    deeper = radii(PROJECTED, 9, range(1000, 1250))
    assert stats.ks_2samp(whole, deeper).pvalue < 1e-6


def test_float32_suffices():
    """The kernel of the same draws in double precision differs by parts in a hundred thousand."""
    s = spec(depth=18, width=32, n_points=16, d_in=20)
    a = batch([s], SMALL)
    x, h_all, active = a.factor[0].astype(float), [], []
    h = x
    for layer in range(s.depth):
        w = a.first[0] if layer == 0 else a.forward[layer, 0]
        z = np.sqrt(2 / (s.d_in if layer == 0 else s.width)) * h @ w.astype(float)
        h_all.append(h)
        active.append(z > 0)
        h = np.maximum(z, 0)
    delta, kernel = a.last[0].astype(float), 2 / s.width * h @ h.T
    for layer in range(s.depth - 1, -1, -1):
        delta = np.sqrt(2 / s.width) * delta * active[layer]
        fan_in = s.d_in if layer == 0 else s.width
        kernel += 2 / fan_in * (delta @ delta.T) * (h_all[layer] @ h_all[layer].T)
        delta = delta @ a.forward[layer, 0].T.astype(float)
    found = np.asarray(kernels(a).ntk[0])
    np.testing.assert_allclose(found, kernel, atol=2e-5 * np.abs(kernel).max())


def test_a_run_does_not_hang_on_its_pack():
    procedure = KernelDraws()
    specs = [spec(seed=s, depth=d) for s in range(3) for d in (2, 7)]
    measures = {"radius": lambda k: {"radius": largest(k.ntk)}}

    def rows(some):
        packs = procedure.packs(some)
        made = [r for p in packs for r in procedure.run(p, measures, {}, lambda n: None)]
        return {r.spec.run_id: r.row for r in made}

    together, alone = rows(specs), rows(specs[3:4])
    (name,) = alone
    assert together[name]["radius"] == pytest.approx(alone[name]["radius"], rel=1e-5)
    assert {r["draw"] for r in together.values()} == {0, 1, 2}
    assert len({r["radius"] for r in together.values()}) == len(specs)


def test_whole_weights_are_drawn_where_there_are_fewer_units_than_points():
    for width in (10, 40, 100, 500, 2000):
        for points in (8, 40, 128, 256):
            s = spec(width=width, n_points=points)
            assert not shape_for(s).projected or width >= points


@pytest.mark.slow
def test_the_largest_cell():
    """N 256, L 58, M 1000: done, and with the expectation of the diagonal."""
    big = spec(n_points=256, depth=58, width=1000, d_in=20, seed=1)
    (pack,) = KernelDraws().packs([big])
    measures = {"d": lambda k: {"d": float(np.diagonal(k.ntk).mean() * 10 / 59)}}
    (result,) = KernelDraws().run(pack, measures, {}, lambda n: None)
    assert result.status == "done"
    assert 0.2 < result.row["d"] < 5
