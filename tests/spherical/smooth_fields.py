"""Smooth fields with closed forms, for the tests of this folder. Oracle: scipy's spherical harmonics."""

import functools

import numpy as np
from scipy.special import sph_harm_y


def harmonic(degree, order, latitude, longitude):
    """Real orthonormal spherical harmonic at degrees of latitude and longitude, broadcast against each other."""
    theta, phi = np.radians(90 - latitude), np.radians(longitude)
    y = sph_harm_y(degree, abs(order), theta, phi)
    if order == 0:
        return y.real
    return np.sqrt(2) * (y.real if order > 0 else y.imag)


def smooth(latitude, longitude, *, seed=0, degree=6, power=None):
    """A random field of degrees up to ``degree``: sum of a_lm Y_lm, a_lm drawn with deviation ``power[l] ** 0.5``."""
    rng = np.random.default_rng(seed)
    degrees = [n for n in range(degree + 1) for _ in range(2 * n + 1)]
    scale = np.array([1.0 if power is None else power[n] ** 0.5 for n in degrees])
    basis = _basis(degree, tuple(map(float, latitude)), tuple(map(float, longitude)))
    return np.tensordot(scale * rng.standard_normal(len(scale)), basis, axes=1)


@functools.lru_cache(maxsize=4)
def _basis(degree, latitude, longitude):
    lat, lon = np.meshgrid(latitude, longitude, indexing="ij")
    return np.stack([harmonic(n, m, lat, lon) for n in range(degree + 1) for m in range(-n, n + 1)])


def centres(resolution):
    """Latitudes and longitudes of the canonical grid."""
    step = 180 / resolution
    return 90 - step * (np.arange(resolution) + 0.5), -180 + step * (np.arange(2 * resolution) + 0.5)
